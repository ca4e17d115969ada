package rollup

import "unsafe"

// weightUnit is how many bytes of a write or read, beside its state, are looked over. What
// has more takes the room of as many others: senders choose how long names, versions and
// lists are, and how many replicas a write arrives at, but not how much memory that takes.
const weightUnit = 1024

// gone is the weight of what is not resident any more.
const gone = -1

// weigh notes how much more room a state takes than it did.
func (e *Engine) weigh(weight *int32, bytes int) {
	if *weight == gone {
		return
	}
	w := int32(max(bytes, 0) / weightUnit) //nolint:gosec // far less
	e.resident += int(w - *weight)
	*weight = w
}

// unweigh takes the room of what is put down from what is taken.
func (e *Engine) unweigh(weight *int32) {
	if *weight != gone {
		e.resident -= int(*weight)
		*weight = gone
	}
}

// bytes is about how much memory a write takes beside its state.
func (w *write) bytes() int {
	n := len(w.id) + len(w.version.Text) + 2*cap(w.expect) +
		cap(w.reps)*int(unsafe.Sizeof(rep{})) + cap(w.others)*int(unsafe.Sizeof(carrier{}))
	for _, l := range w.labels {
		n += len(l) + int(unsafe.Sizeof(l))
	}
	if w.key != nil {
		n += len(w.key.key)
	}
	return n
}

func (r *read) bytes() int {
	n := len(r.id) + len(r.event) + len(r.version.Text)
	if r.key != nil {
		n += len(r.key.key)
	}
	return n
}

// bytes of a session are those of its verdicts beyond a unit for each operation.
func (s *sessionState) bytes() int {
	n := len(s.ops)
	for _, run := range s.more {
		n += len(run)
	}
	return len(s.id) + cap(s.verdicts)*int(unsafe.Sizeof(counted{})) - n*weightUnit
}
