//go:build unix

package app

import "syscall"

// freeBytes is how much room the file system of a folder has for this program.
func freeBytes(dir string) (int64, error) {
	free, _, err := diskSpace(dir)
	return free, err
}

// diskSpace is the room that is free for this program, and all there is.
func diskSpace(dir string) (free, all int64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	return int64(st.Bavail) * st.Bsize, int64(st.Blocks) * st.Bsize, nil //nolint:gosec // Sizes of disks.
}
