package main_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// onTerminal runs a command with a pseudo-terminal as its standard input, output and error, and returns what
// was shown.
func onTerminal(width int, dir string, env func(string) string, command []string) ([]byte, error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer master.Close()
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, err
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, err
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: uint16(width)}); err != nil {
		return nil, err
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(command[0], command[1:]...)
	if command[0] == "countersign" {
		cmd = exec.Command(binary, command[1:]...)
	}
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, terminal, terminal, terminal
	for _, name := range []string{"PATH", "HOME", "TERM", "NO_COLOR", "COUNTERSIGN_SERVER", "COUNTERSIGN_TOKEN"} {
		cmd.Env = append(cmd.Env, name+"="+env(name))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = cmd.Start()
	terminal.Close()
	if err != nil {
		return nil, err
	}
	// Reading fails with EIO when the last of the other side is closed.
	shown, _ := io.ReadAll(master)
	return shown, cmd.Wait()
}
