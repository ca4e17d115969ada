package sqlite

import (
	"context"
	"maps"
	"strings"

	"tidemark/metrics"
)

// heldRoom is what a transaction finds held and what it adds to it, in all and by
// feature.
type heldRoom struct {
	most, share metrics.HeldTotal
	total       metrics.HeldTotal
	before      map[string]metrics.HeldTotal // only read
	of          map[string]metrics.HeldTotal // of features that the transaction adds to
}

// room is called and used with mu held.
func (q *quarantined) room(most metrics.HeldTotal) *heldRoom {
	return &heldRoom{most: most, share: most.Share(), total: q.total, before: q.of, of: map[string]metrics.HeldTotal{}}
}

func (r *heldRoom) own(feature string) metrics.HeldTotal {
	if t, ok := r.of[feature]; ok {
		return t
	}
	return r.before[feature]
}

// fits reports whether there is room for one more event, and if not, whether its feature
// has its share.
func (r *heldRoom) fits(feature string, size int64) (fits, overShare bool) {
	if own := r.own(feature); own.Events > 0 && !own.With(size).Within(r.share) {
		return false, true
	}
	return r.total.With(size).Within(r.most), false
}

func (r *heldRoom) take(feature string, size int64) {
	r.total = r.total.With(size)
	r.of[strings.Clone(feature)] = r.own(feature).With(size)
}

// took takes in what a transaction added, once it is durable.
func (q *quarantined) took(r *heldRoom) {
	q.total = r.total
	maps.Copy(q.of, r.of)
}

// gave takes out what a transaction removed, by feature, and returns how many events.
func (q *quarantined) gave(gone map[string]metrics.HeldTotal) (n int) {
	for feature, g := range gone {
		n += int(g.Events)
		q.total = less(q.total, g)
		if q.of[feature] = less(q.of[feature], g); q.of[feature].Events == 0 {
			delete(q.of, feature)
		}
	}
	return n
}

func less(t, gone metrics.HeldTotal) metrics.HeldTotal {
	return metrics.HeldTotal{Events: t.Events - gone.Events, Bytes: t.Bytes - gone.Bytes}
}

// loadHeldTotals reads how much is held of each feature.
func (s *Store) loadHeldTotals(ctx context.Context) error {
	q := &s.quarantine
	q.total, q.of = metrics.HeldTotal{}, map[string]metrics.HeldTotal{}
	rows, err := s.main.r.QueryContext(ctx, "SELECT feature, count(*), sum(bytes) FROM quarantine GROUP BY feature")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var feature string
		var t metrics.HeldTotal
		if err := rows.Scan(&feature, &t.Events, &t.Bytes); err != nil {
			return err
		}
		q.of[feature] = t
		q.total.Events, q.total.Bytes = q.total.Events+t.Events, q.total.Bytes+t.Bytes
	}
	return rows.Err()
}
