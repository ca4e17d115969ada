package policy

import (
	"strings"
	"sync"

	"tidemark/flags/access"
	"tidemark/metrics"
)

// ActionOf is what reporting an event of a kind is.
func ActionOf(k metrics.Kind) Action {
	switch k {
	case metrics.KindReceived, metrics.KindApplied, metrics.KindVisible, metrics.KindFailed, metrics.KindHeartbeat:
		return Consume
	}
	return Publish
}

// maxReports bounds the decisions that are remembered. A key that names one feature
// after the other makes the policies decide about each, and takes the CPU from all: whoever
// asks for many looks at its context in between.
const maxReports = 20_000

// reportCache remembers who may report what. It goes with its Set, so that nothing in
// it outlives a change.
type reportCache struct {
	mu    sync.RWMutex
	known map[reportKey]Decision
}

type reportKey struct {
	key, feature string
	consume      bool
}

// MayReport decides whether a key may send events of a feature. It is asked for each
// event: what was decided before is one look-up, without allocation.
func (s *Set) MayReport(who *access.Identity, feature string, a Action) Decision {
	if s == nil || who == nil {
		return s.Decide(Question{Who: who, Action: a, Feature: feature})
	}
	k := reportKey{who.KeyID, feature, a == Consume}
	c := &s.reports
	c.mu.RLock()
	d, ok := c.known[k]
	c.mu.RUnlock()
	if ok {
		return d
	}
	d = s.Decide(Question{Who: who, Action: a, Feature: feature})
	k.feature = strings.Clone(feature) // It lies in the body of a request.
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known) >= maxReports {
		c.known = make(map[reportKey]Decision)
	}
	c.known[k] = d
	return d
}
