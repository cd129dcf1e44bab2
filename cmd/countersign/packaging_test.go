package main_test

import (
	"bytes"
	"debug/elf"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

const packaging = "../../packaging/"

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSampleConfigStartsAServer(t *testing.T) {
	// The command line wins over the file, so what cannot be had here is given there.
	p := serve(t, t.TempDir(), "--config", packaging+"countersign.yaml")
	if !strings.HasPrefix(p.url, "https://127.0.0.1:") {
		t.Errorf("the settings of the file are not those of the server at %s", p.url)
	}
	out, err := exec.Command(binary, "health", "--server", p.url).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	p.stop(t)
}

// What stands in the comments must be good settings too, and none may be missing.
func TestSampleConfigHasEverySetting(t *testing.T) {
	text := readFile(t, packaging+"countersign.yaml")
	help, err := exec.Command(binary, "serve", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	var whole strings.Builder
	for _, flag := range regexp.MustCompile(`(?m)^ +(?:-., )?--([a-z-]+)`).FindAllStringSubmatch(string(help), -1) {
		key := flag[1]
		if key == "config" || key == "help" {
			continue
		}
		line := regexp.MustCompile(`(?m)^#?(`+key+`: .+)$`).FindAllStringSubmatch(text, -1)
		if len(line) != 1 {
			t.Errorf("%s stands %d times in the sample", key, len(line))
			continue
		}
		whole.WriteString(line[0][1] + "\n")
	}
	// The loader takes them all. That the server does not want two kinds of certificate is its word, not the loader's.
	name := filepath.Join(t.TempDir(), "all.yaml")
	if err := os.WriteFile(name, []byte(whole.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(binary, "serve", "--config", name).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "--tls-cert and --tls-self-signed exclude each other") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestUnitIsOneThatSystemdTakes(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("WARNING: the systemd unit is not tested: there is no systemd-analyze here (scripts/deps.sh installs it)")
	}
	// The binary is not installed here, and verify looks for it.
	unit := strings.Replace(readFile(t, packaging+"countersign.service"), "ExecStart=/usr/local/bin/countersign", "ExecStart="+binary, 1)
	name := filepath.Join(t.TempDir(), "countersign.service")
	if err := os.WriteFile(name, []byte(unit), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(analyze, "verify", "--man=no", "--recursive-errors=no", name).CombinedOutput()
	if err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("%v: %s", err, out)
	}
	// 100 is what a unit without any setting is exposed to.
	out, err = exec.Command(analyze, "security", "--offline=yes", "--threshold=15", "--no-pager", name).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestContainerHoldsWhatTheServerNeeds runs the server as the image does: a static binary, as nobody, in a root
// that holds nothing else and that it may not write.
func TestContainerHoldsWhatTheServerNeeds(t *testing.T) {
	if testing.Short() {
		t.Skip("the binary is built once more")
	}
	if os.Getuid() != 0 {
		t.Skip("WARNING: the contents of the container image are not tested: that needs root")
	}
	file := readFile(t, packaging+"Containerfile")
	build := regexp.MustCompile(`(?m)^RUN (CGO_ENABLED=0 go build .* -o) /out/countersign (\./cmd/countersign)$`).FindStringSubmatch(file)
	if build == nil {
		t.Fatal("the Containerfile builds no static binary")
	}
	root := t.TempDir()
	compile := exec.Command("sh", "-c", build[1]+" '"+root+"/countersign' "+build[2])
	compile.Dir = "../.."
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	linked, err := elf.Open(filepath.Join(root, "countersign"))
	if err != nil {
		t.Fatal(err)
	}
	if libraries, err := linked.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("the binary needs %q, %v", libraries, err)
	}
	linked.Close()
	nobody := regexp.MustCompile(`(?m)^USER (\d+):\d+$`).FindStringSubmatch(file)
	if nobody == nil || nobody[1] != "65532" {
		t.Fatal("the Containerfile does not say that a user without a name runs the server")
	}
	if err := os.Mkdir(filepath.Join(root, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(root, "data"), 65532, 65532); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	inside := func(args ...string) *exec.Cmd {
		cmd := exec.Command("/countersign", args...)
		cmd.Dir = "/"
		cmd.Env = []string{"COUNTERSIGN_DATA=/data", "COUNTERSIGN_LISTEN=" + address, "COUNTERSIGN_TLS_SELF_SIGNED=true", "COUNTERSIGN_SERVER=https://" + address}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
		return cmd
	}
	server := inside("serve")
	server.Stdout, server.Stderr = io.Discard, io.Discard
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer server.Process.Kill()
	var out []byte
	for range 100 {
		if out, err = inside("health", "--ready").CombinedOutput(); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := server.Wait(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(root, "*")); len(left) != 2 {
		t.Errorf("the server wrote outside of its volume: %q", left)
	}
}
