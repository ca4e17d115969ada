package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tidemark/metrics"
)

// CodeQuarantineFull is the code of events with unknown labels for which there was no
// room in quarantine.
const CodeQuarantineFull = "quarantine_full"

// Quarantine says what becomes of events with a label that nobody declared. The zero
// value takes them like any other.
type Quarantine struct {
	// Store keeps them apart until the label is declared; nil takes them.
	Store metrics.Quarantine
	// Take takes them all the same, and lets go what Store holds.
	Take bool
	// Most is how much may be held (default 100,000 events and 64 MiB as JSON), of one
	// feature half of it; what is beyond it is rejected.
	Most metrics.HeldTotal
}

func (q Quarantine) withDefaults() Quarantine {
	if q.Most.Events <= 0 {
		q.Most.Events = 100_000
	}
	if q.Most.Bytes <= 0 {
		q.Most.Bytes = 64 << 20
	}
	return q
}

// releaseBatch is how many held events go on at once.
const releaseBatch = 500

// held is the part of a Pipeline that keeps events apart.
type held struct {
	labels  atomic.Pointer[metrics.Vocabulary] // known now; nil = none
	wake    chan struct{}
	leaving sync.Mutex // one release or discard at a time

	held, released, discarded, refused atomic.Int64
}

// SetLabels says which labels are known from now on. What waited for them goes on with
// the next ReleaseKnown.
func (p *Pipeline) SetLabels(v *metrics.Vocabulary) {
	p.apart.labels.Store(v)
	p.apart.nudge()
}

// Labels are those that are known now.
func (p *Pipeline) Labels() *metrics.Vocabulary { return p.apart.labels.Load() }

// Waiting receives when there may be something for ReleaseKnown to do.
func (p *Pipeline) Waiting() <-chan struct{} { return p.apart.wake }

// Nudge makes Waiting receive.
func (p *Pipeline) Nudge() { p.apart.nudge() }

func (h *held) nudge() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// isHeld reports whether an event has a label that is not known.
func (p *Pipeline) isHeld(e *metrics.Event, now int64) bool {
	q := &p.opts.Quarantine
	return q.Store != nil && !q.Take && p.apart.labels.Load().Unknown(e.Labels, now) != nil
}

// hold keeps events apart, durably. indexes are their places in the submission.
func (p *Pipeline) hold(ctx context.Context, events []metrics.Event, indexes []int, r *Receipt) error {
	p.stop.RLock()
	defer p.stop.RUnlock()
	if p.stopped {
		return ErrStopped
	}
	known, now := p.apart.labels.Load(), p.opts.Now().UnixNano()
	h, err := p.opts.Quarantine.Store.Hold(ctx, now, events, p.opts.Quarantine.Most)
	if err != nil {
		p.failures.Add(1)
		return fmt.Errorf("quarantine: %w", err)
	}
	refused := make([]metrics.Rejection, len(h.Refused))
	for i, n := range h.Refused {
		e := &events[n]
		refused[i] = metrics.Rejection{
			Index: indexes[n], EventID: strings.Clone(e.EventID), Code: CodeQuarantineFull, Field: "labels",
			Message: noRoom(known.Unknown(e.Labels, now), e.Feature, has(h.OverShare, n), p.opts.Quarantine.Most),
		}
	}
	p.CountRejected(refused)
	r.Rejected = append(r.Rejected, refused...)
	r.Quarantined, r.Duplicates = h.Held, h.Duplicates
	for i := range events {
		if has(h.Refused, i) {
			continue
		}
		for _, l := range known.Unknown(events[i].Labels, now) {
			r.Unknown = append(r.Unknown, strings.Clone(l))
		}
	}
	slices.Sort(r.Unknown)
	r.Unknown = slices.Compact(r.Unknown)
	p.apart.held.Add(int64(h.Held))
	p.apart.refused.Add(int64(len(refused)))
	p.duplicates.Add(int64(h.Duplicates))
	if p.apart.labels.Load() != known { // declared meanwhile: nobody else would look again
		p.apart.nudge()
	}
	return nil
}

// has reports whether an ascending list has a number.
func has(list []int, n int) bool {
	_, ok := slices.BinarySearch(list, n)
	return ok
}

// noRoom says why an event was not held: its feature has its share, or the quarantine is
// full.
func noRoom(unknown []string, feature string, overShare bool, most metrics.HeldTotal) string {
	why, what := "the quarantine is full", "what is held"
	if overShare {
		most = most.Share()
		why, what = "feature "+feature+" has its share of the quarantine, half of it", "what is held of the feature"
	}
	return fmt.Sprintf("The labels %s are not declared, and %s (%d events, %g MiB): declare them by documents of kind Label, or discard %s.",
		quoteAll(unknown), why, most.Events, float64(most.Bytes)/(1<<20), what)
}

// quoteAll lists at most five labels.
func quoteAll(labels []string) string {
	var b strings.Builder
	for i, l := range labels {
		if i == 5 {
			fmt.Fprintf(&b, " and %d more", len(labels)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", l)
	}
	return b.String()
}

// ReleaseKnown lets every held event go on whose labels are all known by now, in
// batches of 500, and returns how many. Each is in the log before it leaves quarantine:
// what ends in between repeats an event, which the fold counts once.
func (p *Pipeline) ReleaseKnown(ctx context.Context) (int, error) {
	if p.opts.Quarantine.Store == nil || p.opts.Quarantine.Store.HeldTotal().Events == 0 {
		return 0, nil
	}
	counts, err := p.opts.Quarantine.Store.HeldCounts(ctx, metrics.HeldCountQuery{})
	if err != nil {
		return 0, fmt.Errorf("release: %w", err)
	}
	var labels []string
	for _, c := range counts {
		labels = append(labels, c.Label)
	}
	unknown := p.apart.labels.Load().Unknown(labels, p.opts.Now().UnixNano())
	if p.opts.Quarantine.Take {
		unknown = nil
	}
	if len(unknown) > 0 && len(unknown) == len(slices.Compact(slices.Sorted(slices.Values(labels)))) {
		return 0, nil
	}
	return p.Release(ctx, metrics.HeldQuery{Without: unknown})
}

// Release lets held events go on, whatever is known of their labels, and returns how
// many. After and Limit of the query are not used.
func (p *Pipeline) Release(ctx context.Context, q metrics.HeldQuery) (int, error) {
	return p.empty(ctx, q, &p.apart.released, func(list []metrics.Held) error {
		events := make([]metrics.Event, len(list))
		now := p.opts.Now().UnixNano()
		for i := range list {
			events[i] = list[i].Event
			events[i].ObservedAt = now
		}
		p.admit.known(namesOf(events))
		for {
			_, err := p.store(ctx, events, func() {})
			if !errors.Is(err, ErrOverloaded) {
				return err
			}
			select { // Live traffic goes first.
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(releaseWait):
			}
		}
	})
}

// releaseWait is how long a release stands back from a full queue.
const releaseWait = 100 * time.Millisecond

// Discard removes held events for good, and returns how many.
func (p *Pipeline) Discard(ctx context.Context, q metrics.HeldQuery) (int, error) {
	return p.empty(ctx, q, &p.apart.discarded, func([]metrics.Held) error { return nil })
}

// empty takes what a query selects out of quarantine, batch by batch, each after do.
func (p *Pipeline) empty(ctx context.Context, q metrics.HeldQuery, count *atomic.Int64, do func([]metrics.Held) error) (sum int, err error) {
	if p.opts.Quarantine.Store == nil {
		return 0, nil
	}
	p.apart.leaving.Lock()
	defer p.apart.leaving.Unlock()
	q.After, q.Limit, q.Newest = 0, releaseBatch, false
	for {
		list, err := p.opts.Quarantine.Store.Held(ctx, q)
		if err != nil || len(list) == 0 {
			return sum, err
		}
		if err := do(list); err != nil {
			return sum, err
		}
		numbers := make([]int64, len(list))
		for i := range list {
			numbers[i] = list[i].Number
		}
		n, err := p.opts.Quarantine.Store.Unhold(ctx, numbers)
		sum += n
		count.Add(int64(n))
		if err != nil {
			return sum, err
		}
		q.After = numbers[len(numbers)-1]
	}
}

// QuarantineStats say how much is held, and what came and went since the start.
type QuarantineStats struct {
	metrics.HeldTotal

	On        bool              `json:"on"` // whether events with unknown labels are held
	Most      metrics.HeldTotal `json:"most"`
	Held      int64             `json:"held"`
	Released  int64             `json:"released"`
	Discarded int64             `json:"discarded"`
	Refused   int64             `json:"refused"` // for want of room
}

func (p *Pipeline) quarantineStats() QuarantineStats {
	s := QuarantineStats{
		Most: p.opts.Quarantine.Most, On: p.opts.Quarantine.Store != nil && !p.opts.Quarantine.Take,
		Held: p.apart.held.Load(), Released: p.apart.released.Load(), Discarded: p.apart.discarded.Load(), Refused: p.apart.refused.Load(),
	}
	if p.opts.Quarantine.Store != nil {
		s.HeldTotal = p.opts.Quarantine.Store.HeldTotal()
	}
	return s
}
