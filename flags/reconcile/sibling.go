package reconcile

import (
	"cmp"
	"strings"

	"tidemark/metrics"
)

// Sibling is one of the writes that conflict, with what a rule may look at.
type Sibling struct {
	WriteID string
	// Known says that events of the write itself were received.
	Known   bool
	Version metrics.Version
	// At is when it began on the server's clock and Reported the same on the writer's,
	// in Unix ns; 0 = not known. Error is the half-width of the clock's offset, when it
	// was Measured.
	At, Reported int64
	Error        int64
	Measured     bool
	ClockID      string
	// Owner is who owns the key; Service, Replica and Region say where the write began.
	Owner                    string
	Service, Replica, Region string
	Delta                    string   // raw JSON; "" when it was not reported
	Labels                   []string // of the events that were read
	Unread                   bool     // it has more of them, or some are in quarantine
	Parents                  []string // the writes that it was made after
}

// owned reports whether the key's owner made the write.
func (s *Sibling) owned(owner string) bool {
	if owner == "" {
		owner = s.Owner
	}
	return owner != "" && (s.Service == owner || s.Replica == owner || s.Region == owner)
}

// compare is the order of two writes: below 0 when b wins over a. It is total and
// transitive, because each step compares one component for every pair of writes.
func (r *Rule) compare(a, b *Sibling) int {
	if r.Strategy == OwnerWins {
		if c := truth(a.owned(r.set.Owner)) - truth(b.owned(r.set.Owner)); c != 0 {
			return c
		}
	}
	return cmp.Or(r.compareStamps(a, b), strings.Compare(a.WriteID, b.WriteID))
}

// compareStamps is compare without owners and without the tie-break.
func (r *Rule) compareStamps(a, b *Sibling) int {
	switch r.set.Order {
	case ByReported:
		return cmp.Compare(a.Reported, b.Reported)
	case ByTime:
		return cmp.Compare(a.At, b.At)
	}
	return cmp.Or(compareVersions(a.Version, b.Version), cmp.Compare(a.At, b.At))
}

// compareVersions orders by what totally orders the writes of a key. Version vectors
// do not, and rank as no version.
func compareVersions(a, b metrics.Version) int {
	if c := cmp.Compare(rank(a), rank(b)); c != 0 || rank(a) == 0 {
		return c
	}
	switch metrics.Compare(a, b) {
	case metrics.Before:
		return -1
	case metrics.After:
		return 1
	}
	return 0
}

func rank(v metrics.Version) int {
	switch v.Kind {
	case metrics.VersionSeq:
		return 1
	case metrics.VersionHLC:
		return 2
	}
	return 0
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Doubt is why the order of two writes is not sure.
type Doubt string

// The doubts.
const (
	DoubtClock      Doubt = "within_clock_error" // the difference is smaller than the clocks' error
	DoubtUnmeasured Doubt = "clock_not_measured" // two clocks, and nobody measured their offset
	DoubtTie        Doubt = "tie"                // equal, or nothing to compare: the write id decided
)

// doubt says how sure it is that a comes after b, and by how much; the two do not
// differ by their owner.
func (r *Rule) doubt(a, b *Sibling) (d Doubt, by, err int64) {
	if r.set.Order == ByVersion && compareVersions(a.Version, b.Version) != 0 {
		if rank(a.Version) != rank(b.Version) {
			return DoubtTie, 0, 0 // Versions of two kinds say nothing of each other.
		}
		return "", 0, 0
	}
	if r.set.Order == ByReported {
		if a.Reported == b.Reported || a.Reported == 0 || b.Reported == 0 {
			return DoubtTie, 0, 0
		}
		return "", a.Reported - b.Reported, 0 // The rule goes by the numbers, whatever the clocks.
	}
	if a.At == b.At || a.At == 0 || b.At == 0 {
		return DoubtTie, 0, 0
	}
	by = a.At - b.At
	switch {
	case a.ClockID != "" && a.ClockID == b.ClockID:
		return "", by, 0
	case !a.Measured || !b.Measured:
		return DoubtUnmeasured, by, 0
	case by <= a.Error+b.Error:
		return DoubtClock, by, a.Error + b.Error
	}
	return "", by, a.Error + b.Error
}
