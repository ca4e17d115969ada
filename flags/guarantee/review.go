package guarantee

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tidemark/flags"
)

// ReviewDue is when a promise must be looked at again.
type ReviewDue struct {
	Name    string    `json:"name"`
	Feature string    `json:"feature"`
	Owner   string    `json:"owner"`
	Every   string    `json:"every"`
	Last    time.Time `json:"last"` // of the last review, or of the last change
	Due     time.Time `json:"due"`
	Overdue bool      `json:"overdue"`
}

// AddReview records that somebody looked at a promise and decided something.
// revision 0 is the current one.
func (c *Catalogue) AddReview(ctx context.Context, id flags.DocumentID, revision int64, decision, note string, by Author) (flags.ReviewRecord, error) {
	if strings.TrimSpace(decision) == "" || utf8.RuneCountInString(decision) > maxText {
		return flags.ReviewRecord{}, fmt.Errorf("%w: decision: must be 1 to %d characters: what was decided, or where it is written", flags.ErrInvalid, maxText)
	}
	if utf8.RuneCountInString(note) > maxNote {
		return flags.ReviewRecord{}, fmt.Errorf("%w: note: must be at most %d characters", flags.ErrInvalid, maxNote)
	}
	if revision == 0 {
		cur, err := c.opt.Store.Document(ctx, id)
		if err != nil {
			return flags.ReviewRecord{}, fmt.Errorf("review %s: %w", id, err)
		}
		revision = cur.Revision
	}
	r := flags.ReviewRecord{ID: id, Revision: revision, Decision: decision, Note: note, Actor: by.Actor, At: c.opt.Now()}
	if err := c.opt.Store.AddReview(ctx, r); err != nil {
		return r, fmt.Errorf("review %s: %w", id, err)
	}
	return r, nil
}

// Reviews returns the reviews of a document, newest first.
func (c *Catalogue) Reviews(ctx context.Context, id flags.DocumentID) ([]flags.ReviewRecord, error) {
	rs, err := c.opt.Store.Reviews(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("reviews of %s: %w", id, err)
	}
	return rs, nil
}

// ReviewsDue lists when each active guarantee with a review rule must be looked at
// next, soonest first. A new revision counts as having looked.
func (c *Catalogue) ReviewsDue(ctx context.Context) ([]ReviewDue, error) {
	docs, err := c.InForce(ctx)
	if err != nil {
		return nil, err
	}
	reviews, err := c.Reviews(ctx, flags.DocumentID{})
	if err != nil {
		return nil, err
	}
	return reviewsDue(docs, reviews, c.opt.Now()), nil
}

func reviewsDue(docs []Stored, reviews []flags.ReviewRecord, now time.Time) []ReviewDue {
	out := []ReviewDue{}
	for _, s := range docs {
		g := s.Document.Guarantee
		if g == nil || g.Status != flags.StatusActive || g.Review == nil {
			continue
		}
		last := s.At
		for _, r := range reviews {
			if r.ID == s.ID && r.At.After(last) {
				last = r.At
			}
		}
		due := last.Add(g.Review.Every)
		out = append(out, ReviewDue{g.Name, g.Feature, g.Owner, flags.FormatDuration(g.Review.Every), last, due, !now.Before(due)})
	}
	slices.SortFunc(out, func(a, b ReviewDue) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Name, b.Name)) })
	return out
}
