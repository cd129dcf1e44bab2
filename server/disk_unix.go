//go:build linux || darwin

package server

import "syscall"

// disk tells how many bytes an ordinary user may still write to the file system that holds path, and its size.
func disk(path string) (free, size float64, ok bool) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(path, &fs); err != nil {
		return 0, 0, false
	}
	block := float64(fs.Bsize)
	return float64(fs.Bavail) * block, float64(fs.Blocks) * block, true
}
