package app

import (
	"syscall"
	"time"
)

// unsynced is the state of a clock that nothing keeps in step (TIME_ERROR).
const unsynced = 5

// clockState asks the kernel what its time service told it.
func clockState() (known, synced bool, off time.Duration) {
	var t syscall.Timex
	state, err := syscall.Adjtimex(&t)
	if err != nil {
		return false, false, 0
	}
	return true, state != unsynced, time.Duration(t.Esterror) * time.Microsecond
}
