package eval

import "github.com/cespare/xxhash/v2"

// Fingerprint tells apart what one Set can answer for one flag. It is the same in every
// process. Pins are left out: a new one is given with each answer, and the one before
// it is as good.
func (r *Result) Fingerprint() uint64 {
	sum := reasonCode(r.Reason)
	if r.written != nil {
		sum ^= r.written.sum
	}
	m := &r.Metadata
	if r.Code == CodeNone && m.Rollout == "" && !m.Pinned && m.PinError == PinOK {
		return sum
	}
	b := make([]byte, 0, 128)
	for _, s := range [...]string{string(r.Code), m.Rollout, string(m.Arm), string(m.PinError)} {
		b = append(append(b, s...), 0)
	}
	b = append(b, byte(m.Step), byte(m.Step>>8), byte(m.Version), byte(m.Version>>8))
	if m.Pinned {
		b = append(b, 1)
	}
	return sum ^ xxhash.Sum64(b)
}

// reasonCode numbers the reasons from 1 to reasons.
func reasonCode(r Reason) uint64 {
	switch r {
	case ReasonStatic:
		return 1
	case ReasonDefault:
		return 2
	case ReasonTargetingMatch:
		return 3
	case ReasonSplit:
		return 4
	case ReasonDisabled:
		return 5
	}
	return 6
}
