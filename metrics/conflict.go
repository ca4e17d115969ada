package metrics

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// Conflict is two or more concurrent writes of one key and what was decided.
type Conflict struct {
	ID          string   `json:"id"`
	Feature     string   `json:"feature"`
	Key         string   `json:"key"`
	Entity      string   `json:"entity,omitempty"`
	Writes      []string `json:"writes"`      // sorted, distinct, the least MaxConflictWrites of them
	DetectedAt  int64    `json:"detected_at"` // 0 when only the resolution was reported
	DetectedBy  string   `json:"detected_by,omitempty"`
	Replica     string   `json:"replica,omitempty"`
	ResolvedAt  int64    `json:"resolved_at,omitempty"` // 0 while open
	ResolvedBy  string   `json:"resolved_by,omitempty"`
	Rule        string   `json:"rule,omitempty"`
	RuleVersion string   `json:"rule_version,omitempty"`
	Winner      string   `json:"winner,omitempty"`
	Outcome     string   `json:"outcome,omitempty"`
	Auto        Tri      `json:"auto"`
	Reason      string   `json:"reason,omitempty"`
	Labels      []string `json:"labels,omitempty"`
	Model       string   `json:"model,omitempty"`
	Variant     string   `json:"variant,omitempty"`
	Flag        string   `json:"flag,omitempty"`
	Unit        string   `json:"unit,omitempty"`

	// MoreWrites and MoreLabels say that its events named more than the row keeps.
	MoreWrites bool `json:"more_writes,omitempty"`
	MoreLabels bool `json:"more_labels,omitempty"`
	// Held says that an event of it is in quarantine, when a Reader returns it: it is not stored.
	Held bool `json:"held,omitempty"`

	// The (time, event id) of the events that decided the fields above: the fold's
	// tie-break, kept so that any order of events gives the same row. See Told.
	DetectedEvent string `json:"detected_event,omitempty"`
	ResolvedEvent string `json:"resolved_event,omitempty"`
}

// Bounds of one conflict's row, which is read and written whole for each event of it.
const (
	MaxConflictWrites = 128
	MaxConflictLabels = 64
)

// ConflictQuery selects conflicts, newest detection first.
type ConflictQuery struct {
	Feature, Key, Rule string
	State              string // "", open, auto, manual
	From, To           int64  // detection, Unix ns; 0 = unbounded
	Oldest             bool   // oldest detection first; such a page has no next one
	Cursor             string
	Limit              int // 1..500; 0 = 50
}

// Told is the conflict for who asks about it: without the ids of the events that
// decided, which may have been made of contents (see ContentID).
func (c *Conflict) Told() Conflict {
	told := *c
	told.DetectedEvent, told.ResolvedEvent = "", ""
	return told
}

// Clone returns a copy that shares no list with c.
func (c *Conflict) Clone() Conflict {
	own := *c
	own.Writes, own.Labels = slices.Clone(c.Writes), slices.Clone(c.Labels)
	return own
}

// conflictMark stands between feature and id in the id of a conflict whose own id
// another feature used first. An event may give it after the name of its feature alone,
// so that nobody uses up the ids of others, and what comes after it does not begin with
// half of it, which a feature's name may end in.
const conflictMark = "~~"

// ForeignConflict is the id under which a feature's conflict is kept when another
// feature used its own first.
func ForeignConflict(feature, id string) string { return feature + conflictMark + id }

// OwnConflict is what a feature calls the conflict that is kept under id.
func OwnConflict(feature, id string) string {
	if rest, ok := strings.CutPrefix(id, feature); ok && strings.HasPrefix(rest, conflictMark) {
		return rest[len(conflictMark):]
	}
	return id
}

// ConflictReader reads one conflict by the id under which it is kept.
type ConflictReader interface {
	Conflict(ctx context.Context, id string) (*Conflict, error)
}

// ConflictOf returns the conflict that events of a feature call id, or with feature ""
// the one that is kept under it; ErrNotFound when there is none.
func ConflictOf(ctx context.Context, from ConflictReader, feature, id string) (*Conflict, error) {
	if feature != "" {
		id = OwnConflict(feature, id)
	}
	c, err := from.Conflict(ctx, id)
	if feature == "" || err == nil && c.Feature == feature || err != nil && !errors.Is(err, ErrNotFound) {
		return c, err
	}
	c, err = from.Conflict(ctx, ForeignConflict(feature, id))
	if err == nil && c.Feature != feature {
		return nil, ErrNotFound
	}
	return c, err
}
