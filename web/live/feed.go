package live

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"tidemark/metrics"
)

// Feed turns folded events into messages. The path of an event must not wait
// for pages, so features are only marked as changed; a ticker tells their
// subscribers at most once a period, and the page asks for what it shows.
type Feed struct {
	hub      *Hub
	watchers watchers

	mu    sync.Mutex
	dirty map[string]struct{}
}

// maxDirty bounds the features marked between two ticks; more just means overview.
const maxDirty = 10_000

// NewFeed returns a Feed of the hub.
func NewFeed(h *Hub) *Feed { return &Feed{hub: h, dirty: map[string]struct{}{}} }

// Folded is told every batch of events once it is durable and counted. It keeps
// nothing of the events.
func (f *Feed) Folded(events []metrics.Event) {
	f.mark(events)
	if f.hub.watched.Load() == 0 {
		return
	}
	for i := range events {
		e := &events[i]
		if e.WriteID != "" {
			f.watchers.notify(e.WriteID)
		}
		if e.WriteID != "" && f.hub.Wanted(WriteTopic(e.WriteID)) {
			f.hub.Publish(WriteTopic(e.WriteID), "changed", `{"kind":`+strconv.Quote(e.Kind.String())+`}`)
		}
		if f.hub.Wanted(TopicTail) {
			f.hub.publishTail(e)
		}
	}
}

func (f *Feed) mark(events []metrics.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	last := ""
	for i := range events {
		name := events[i].Feature
		if name == last {
			continue // Batches are mostly of one feature.
		}
		last = name
		if _, ok := f.dirty[name]; !ok && len(f.dirty) < maxDirty {
			f.dirty[string([]byte(name))] = struct{}{}
		}
	}
}

// Tick tells the subscribers of what changed since the last tick.
func (f *Feed) Tick(now time.Time) {
	f.mu.Lock()
	dirty := f.dirty
	f.dirty = make(map[string]struct{}, len(dirty))
	f.mu.Unlock()
	at := `{"at":` + strconv.FormatInt(now.UnixNano(), 10) + `}`
	for feature := range dirty {
		if f.hub.Wanted(FeatureTopic(feature)) {
			f.hub.Publish(FeatureTopic(feature), "changed", at)
		}
	}
	if len(dirty) > 0 && f.hub.Wanted(TopicOverview) {
		f.hub.Publish(TopicOverview, "changed", at)
	}
	// The pipeline page shows ages and rates, which change when nothing comes in.
	if f.hub.Wanted(TopicPipeline) {
		f.hub.Publish(TopicPipeline, "changed", at)
	}
}

// Run ticks until the context is done.
func (f *Feed) Run(ctx context.Context, period time.Duration) {
	t := time.NewTicker(period)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			f.Tick(now)
		}
	}
}

// TailEvent is one line of the live tail.
type TailEvent struct {
	EventID    string `json:"event_id,omitempty"` // left out when it may have been made of contents
	Kind       string `json:"kind"`
	WriteID    string `json:"write_id,omitempty"`
	Feature    string `json:"feature"`
	Key        string `json:"key,omitempty"`
	Service    string `json:"service,omitempty"`
	Replica    string `json:"replica,omitempty"`
	Region     string `json:"region,omitempty"`
	OccurredAt int64  `json:"occurred_at"` // Unix ns
	ObservedAt int64  `json:"observed_at"` // Unix ns
	Version    string `json:"version,omitempty"`
	Attempt    int32  `json:"attempt,omitempty"`
}

// takes reports whether an event's fields equal those that are not ""; those of nil are.
func (want *TailEvent) takes(e *metrics.Event) bool {
	if want == nil {
		return true
	}
	eq := func(want, got string) bool { return want == "" || want == got }
	return eq(want.Feature, e.Feature) && eq(want.Kind, e.Kind.String()) && eq(want.Service, e.Service) &&
		eq(want.Replica, e.Replica) && eq(want.Key, e.Key) && eq(want.WriteID, e.WriteID)
}

func tailLine(e *metrics.Event) string {
	raw, err := json.Marshal(TailEvent{
		EventID: metrics.ToldID(e.EventID), Kind: e.Kind.String(), WriteID: e.WriteID, Feature: e.Feature, Key: e.Key,
		Service: e.Service, Replica: e.Replica, Region: e.Region, OccurredAt: e.OccurredAt,
		ObservedAt: e.ObservedAt, Version: e.Version.String(), Attempt: e.Attempt,
	})
	if err != nil {
		return "{}" // Strings and integers always encode.
	}
	return string(raw)
}
