package rollout

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tidemark/metrics"
)

// maxArrivals bounds how many units are told apart for a preview.
const maxArrivals = 200_000

// Units implements Telemetry: it looks at the newest raw events. Times are the
// server's, so that wrong clocks of reporters do not matter.
func (f *Folded) Units(ctx context.Context, feature string) (Arrivals, bool, error) {
	if f.Recent == nil {
		return Arrivals{}, false, nil
	}
	first := map[string]int64{}
	var from, until int64
	err := f.Recent(ctx, func(events []metrics.Event) error {
		for i := range events {
			e := &events[i]
			if from == 0 {
				from = e.ObservedAt
			}
			from, until = min(from, e.ObservedAt), max(until, e.ObservedAt)
			if e.Feature != feature || e.Unit == "" {
				continue
			}
			at, ok := first[e.Unit]
			switch {
			case ok && e.ObservedAt < at:
				first[e.Unit] = e.ObservedAt
			case !ok && len(first) < maxArrivals:
				first[string([]byte(e.Unit))] = e.ObservedAt // The string is only good during the scan.
			}
		}
		return nil
	})
	if err != nil {
		return Arrivals{}, false, fmt.Errorf("scan recent events: %w", err)
	}
	a := Arrivals{Span: time.Duration(until - from)}
	for _, at := range first {
		a.First = append(a.First, time.Duration(at-from))
	}
	slices.Sort(a.First)
	return a, len(a.First) > 0 && a.Span > 0, nil
}
