package metrics

import (
	"context"
	"strconv"
)

// Quarantine keeps events apart from the log: they are acknowledged and durable, and
// counted nowhere, until somebody decides. It is safe for concurrent use.
type Quarantine interface {
	// Hold makes events durable in one transaction, in their order, as many as most
	// leaves room for, and of one feature as many as its share does. The first event of a
	// feature needs no more than room among all. An event whose HeldID is held already is a
	// duplicate and takes no room. On error nothing was stored. at is the server's time.
	Hold(ctx context.Context, at int64, events []Event, most HeldTotal) (Holding, error)
	// Held returns what is held, in order of arrival. It belongs to the caller. None is
	// an empty slice.
	Held(ctx context.Context, q HeldQuery) ([]Held, error)
	// HeldCounts says how much is held by feature and label, those with most events first,
	// then ordered by both. An event with two labels counts with each.
	HeldCounts(ctx context.Context, q HeldCountQuery) ([]HeldCount, error)
	// HeldNumber counts the events of a feature with a label; "" stands for any.
	HeldNumber(ctx context.Context, feature, label string) (int64, error)
	// HeldTotal is how much is held in all.
	HeldTotal() HeldTotal
	// HeldWrites says for which features some event of a write with that id is held. It is
	// cheap, and asks no table.
	HeldWrites(id string) []HeldWrite
	// HeldConflict says whether some event of a feature's conflict is held. It is as cheap.
	HeldConflict(feature, id string) bool
	// Unhold removes events by their numbers and returns how many were there.
	Unhold(ctx context.Context, numbers []int64) (int, error)
}

// HeldWrite is a feature's write of which events are in quarantine, with their labels.
type HeldWrite struct {
	Feature string
	Labels  []string // at most MaxTold
	More    bool     // there are other labels
}

// Holding says what became of events that were to be held.
type Holding struct {
	Held       int
	Duplicates int
	Refused    []int // indexes of those for which there was no room, ascending
	OverShare  []int // of Refused, those beyond the share of their feature
}

// Held is one event in quarantine.
type Held struct {
	Number int64 // in order of arrival; never used again
	HeldAt int64 // by the server's clock, Unix ns
	Event  Event
}

// HeldTotal is a number of events and of their bytes as JSON.
type HeldTotal struct {
	Events int64 `json:"events"`
	Bytes  int64 `json:"bytes"`
}

// Share is how much of it the events of one feature may take: half, so that one feature
// leaves room for others, and at least one event.
func (t HeldTotal) Share() HeldTotal {
	return HeldTotal{Events: max(1, t.Events/2), Bytes: t.Bytes / 2}
}

// With is the total with one event more.
func (t HeldTotal) With(bytes int64) HeldTotal {
	return HeldTotal{Events: t.Events + 1, Bytes: t.Bytes + bytes}
}

// Within reports whether it is no more than most.
func (t HeldTotal) Within(most HeldTotal) bool {
	return t.Events <= most.Events && t.Bytes <= most.Bytes
}

// HeldCount is how much is held of a feature with a label.
type HeldCount struct {
	Feature string `json:"feature"`
	Label   string `json:"label"`
	Events  int64  `json:"events"`
	Oldest  int64  `json:"oldest"` // when the first of them arrived, Unix ns
	Newest  int64  `json:"newest"`
}

// HeldCountQuery selects features and labels.
type HeldCountQuery struct {
	Feature string // "" = any
	Limit   int    // 0 = no bound: there may be as many labels as are sent
}

// HeldQuery selects events in quarantine.
type HeldQuery struct {
	Feature, Label string
	Without        []string // leaves out events that have any of these labels
	HeldBefore     int64    // arrived before, Unix ns; 0 = no bound
	After          int64    // Number above; 0 = no bound
	Through        int64    // Number at most; 0 = no bound
	Newest         bool     // the latest first
	Limit          int      // 1..1000; 0 = 50
}

// HeldID is what tells an event in quarantine from others: its id within its feature and
// kind. The length of the feature's name keeps those of two features apart.
func HeldID(e *Event) string {
	return strconv.Itoa(len(e.Feature)) + ":" + e.Feature + ":" + e.Kind.String() + ":" + e.EventID
}
