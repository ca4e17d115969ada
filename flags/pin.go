package flags

import "context"

// PinSketch counts different pins, or units that hold one, without keeping any of them.
type PinSketch struct {
	Rollout, Variant string
	// Used is false for the units that were given a pin, and true for the pins that
	// came back with a later evaluation.
	Used      bool
	Until     int64  // Unix ns; none of the pins is good from then on
	BrokenAt  int64  // Unix ns; when pins had last been broken when they were given
	Registers []byte // of a HyperLogLog; two sketches merge by the greater of each
}

// PinStore keeps what is known of pins that were given. It is safe for concurrent use.
type PinStore interface {
	// MergePins merges sketches into those of the same rollout, variant, use and times,
	// and removes those that ended before a time. All of it or nothing; doing it twice
	// changes nothing.
	MergePins(ctx context.Context, sketches []PinSketch, endedBefore int64) error
	// Pins returns the sketches of a rollout. None is an empty slice.
	Pins(ctx context.Context, rollout string) ([]PinSketch, error)
}
