package report

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidemark/metrics"
)

// MaxWrites is the most rows that Writes returns.
const MaxWrites = 500

func (q *WriteQuery) validate() error {
	if err := (Query{Feature: q.Feature, Replica: q.Replica}).Validate(); err != nil {
		return err
	}
	switch {
	case q.Feature == "":
		return &QueryError{"feature", "is required"}
	case q.Limit < 0 || q.Limit > MaxWrites:
		return &QueryError{"limit", fmt.Sprintf("must be 1 to %d, or 0 for 50", MaxWrites)}
	case q.MinLag < 0:
		return &QueryError{"min_lag", "is negative"}
	case q.MaxLag < 0 || (q.MaxLag > 0 && q.MaxLag < q.MinLag):
		return &QueryError{"max_lag", "must be 0 or at least min_lag"}
	case !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To):
		return &QueryError{"from", "is not before to"}
	}
	q.Limit = cmp.Or(q.Limit, 50)
	return nil
}

// in reports whether a write that began at ns is in the range.
func (q *WriteQuery) in(ns int64) bool {
	return (q.From.IsZero() || ns >= q.From.UnixNano()) && (q.To.IsZero() || ns < q.To.UnixNano())
}

// lagIn reports whether a lag is wanted.
func (q *WriteQuery) lagIn(ns int64) bool {
	return ns >= int64(q.MinLag) && (q.MaxLag == 0 || ns <= int64(q.MaxLag))
}

func (q *WriteQuery) list(now int64, rows []WriteRow) (*Writes, error) {
	if q.Cursor != "" {
		after, err := rowOfCursor(q.Cursor, now)
		if err != nil {
			return nil, err
		}
		rows = slices.DeleteFunc(rows, func(r WriteRow) bool { return compareRows(r, after) <= 0 })
	}
	slices.SortStableFunc(rows, compareRows)
	out := &Writes{Feature: q.Feature, Now: now, Writes: rows}
	if len(rows) > q.Limit {
		out.Writes, out.More = rows[:q.Limit], true
		out.Next = rows[q.Limit-1].cursor(now)
	}
	return out, nil
}

// cursor names the place of a row in the list. Pending writes are placed by when they
// began, which stays, and not by their age.
func (r *WriteRow) cursor(now int64) string {
	place := "v" + strconv.FormatInt(deref(r.LagNS), 10)
	if r.Pending {
		place = "p" + strconv.FormatInt(now-deref(r.AgeNS), 10)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(place + " " + r.WriteID))
}

// rowOfCursor is a row at the place that a cursor names.
func rowOfCursor(cursor string, now int64) (WriteRow, error) {
	bad := &QueryError{"cursor", "is not one that this list gave"}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(text) == 0 {
		return WriteRow{}, bad
	}
	place, id, ok := strings.Cut(string(text[1:]), " ")
	n, err := strconv.ParseInt(place, 10, 64)
	if !ok || err != nil {
		return WriteRow{}, bad
	}
	switch text[0] {
	case 'p':
		return WriteRow{WriteID: id, Pending: true, AgeNS: new(now - n)}, nil
	case 'v':
		return WriteRow{WriteID: id, LagNS: &n}, nil
	}
	return WriteRow{}, bad
}

// compareRows puts pending writes first, oldest first, then the greatest lags.
func compareRows(a, b WriteRow) int {
	if a.Pending != b.Pending {
		if a.Pending {
			return -1
		}
		return 1
	}
	if a.Pending {
		return cmp.Or(cmp.Compare(deref(b.AgeNS), deref(a.AgeNS)), cmp.Compare(a.WriteID, b.WriteID))
	}
	return cmp.Or(cmp.Compare(deref(b.LagNS), deref(a.LagNS)), cmp.Compare(a.WriteID, b.WriteID))
}

// sampleWrites lists open writes and exemplars.
func (r *Reporter) sampleWrites(ctx context.Context, q WriteQuery) (*Writes, error) {
	now := r.now().UnixNano()
	rows, open, err := r.openRows(ctx, q, now)
	if err != nil {
		return nil, err
	}
	if q.Pending {
		return q.list(now, rows)
	}
	eq := metrics.ExemplarQuery{
		Feature: q.Feature, Replica: q.Replica, To: now/int64(time.Second) + 60,
		MinLag: int64(q.MinLag), MaxLag: int64(q.MaxLag), Limit: MaxWrites,
	}
	if !q.From.IsZero() {
		eq.From = metrics.Level1m.Start(q.From.UnixNano())
	}
	if !q.To.IsZero() {
		eq.To = metrics.Level1m.Start(q.To.UnixNano()-1) + 60
	}
	found, err := r.r.Exemplars(ctx, eq)
	if err != nil {
		return nil, fmt.Errorf("read exemplars of %q: %w", q.Feature, err)
	}
	for i := range found {
		e := &found[i]
		// An exemplar of the first replica may be open elsewhere; one row is enough.
		if e.Replica != q.Replica || open[e.WriteID] || !q.lagIn(e.Lag) {
			continue
		}
		rows = append(rows, WriteRow{
			WriteID: e.WriteID, Feature: e.Feature, Key: e.Key, Replica: e.Replica,
			Minute: new(e.Start * int64(time.Second)), LagNS: new(e.Lag), Missing: []string{},
		})
	}
	return q.list(now, rows)
}

// openRows lists open writes that are at least MinLag old: a write that is not
// visible after a second has a lag of more than a second.
func (r *Reporter) openRows(ctx context.Context, q WriteQuery, now int64) ([]WriteRow, map[string]bool, error) {
	list, err := r.r.OpenWrites(ctx, metrics.SpilledQuery{Feature: q.Feature, Replica: q.Replica, Limit: 2 * MaxWrites})
	if err != nil {
		return nil, nil, fmt.Errorf("read open writes of %q: %w", q.Feature, err)
	}
	rows, seen := []WriteRow{}, map[string]bool{}
	for i := range list {
		w := &list[i]
		age := max(0, now-w.Initiated)
		seen[w.WriteID] = true
		if !q.in(w.Initiated) || !q.lagIn(age) {
			continue
		}
		rows = append(rows, WriteRow{
			WriteID: w.WriteID, Feature: w.Feature, Key: w.Key, Replica: q.Replica, Initiated: new(w.Initiated),
			AgeNS: &age, Pending: true, Missing: slices.Clone(w.Missing),
		})
	}
	return rows, seen, nil
}

// keyWrite gathers the events of one write of a key.
type keyWrite struct {
	WriteRow
	reached map[string]int64 // replica → first visible, else first applied
	visible map[string]bool
	expect  map[string]bool
}

// keyWrites lists every write of a key among its latest events.
func (r *Reporter) keyWrites(ctx context.Context, q WriteQuery) (*Writes, error) {
	now := r.now().UnixNano()
	events, _, err := r.r.Find(ctx, metrics.FindQuery{
		Kind: metrics.EntityKey, Entity: metrics.KeyEntity(q.Feature, q.Key), Limit: maxKeyEvents,
	})
	if err != nil {
		return nil, fmt.Errorf("find key %q of %q: %w", q.Key, q.Feature, err)
	}
	metrics.SortEvents(events)
	writes := groups[keyWrite]{}
	metrics.OriginFirst(events, func(e *metrics.Event) {
		if e.Feature == q.Feature && e.Key == q.Key && e.WriteID != "" && e.Kind.IsStage() {
			writes.at(e.WriteID).take(e)
		}
	})
	open, err := r.openOfKey(ctx, q)
	if err != nil {
		return nil, err
	}
	rows := []WriteRow{}
	for _, id := range writes.keys() {
		w := writes[id]
		w.WriteID, w.Feature, w.Key, w.Replica = id, q.Feature, q.Key, q.Replica
		if row, ok := w.row(&q, r.route(w, q.Feature, now), open[id], now); ok {
			rows = append(rows, row)
		}
	}
	list, err := q.list(now, rows)
	if err != nil {
		return nil, err
	}
	list.Labelled = true
	return list, r.label(ctx, list.Writes)
}

// label sets the labels of writes, whether they name an actor or not: that is hidden with
// it. They may stand on any event of a write, also one that does not name the key.
func (r *Reporter) label(ctx context.Context, rows []WriteRow) error {
	for i := range rows {
		w := &rows[i]
		events, rest, err := metrics.FindWrite(ctx, r.r, w.Feature, w.WriteID, maxSiblingEvents)
		if err != nil {
			return err
		}
		labels, all := metrics.LabelsOf(events)
		w.Labels, w.Unread, w.Held = labels, rest.More || !all, rest.Held
	}
	return nil
}

// openOfKey maps the open writes of a key to what they miss. The fold knows there
// what a later version has satisfied.
func (r *Reporter) openOfKey(ctx context.Context, q WriteQuery) (map[string][]string, error) {
	list, err := r.r.OpenWrites(ctx, metrics.SpilledQuery{
		Feature: q.Feature, KeyEntity: metrics.KeyEntity(q.Feature, q.Key), Limit: 2 * MaxWrites,
	})
	if err != nil {
		return nil, fmt.Errorf("read open writes of key %q of %q: %w", q.Key, q.Feature, err)
	}
	out := map[string][]string{}
	for i := range list {
		if list[i].Key == q.Key {
			out[list[i].WriteID] = list[i].Missing
		}
	}
	return out, nil
}

func (k *keyWrite) take(e *metrics.Event) {
	if k.reached == nil {
		k.reached, k.visible, k.expect = map[string]int64{}, map[string]bool{}, map[string]bool{}
	}
	for _, x := range e.Expect {
		k.expect[x] = true
	}
	k.Actor, k.Version = cmp.Or(k.Actor, e.Actor), cmp.Or(k.Version, e.Version.String())
	at := e.Corrected()
	switch e.Kind {
	case metrics.KindInitiated:
		if k.Initiated == nil {
			k.Initiated = &at
		}
	case metrics.KindVisible:
		if !k.visible[e.Replica] {
			k.visible[e.Replica], k.reached[e.Replica] = true, at
		}
	case metrics.KindApplied:
		if _, ok := k.reached[e.Replica]; !ok {
			k.reached[e.Replica] = at
		}
	}
}

// route is what the write must reach: its own expectation, else the feature's.
func (r *Reporter) route(k *keyWrite, feature string, now int64) []string {
	if len(k.expect) > 0 {
		return sortedKeys(k.expect)
	}
	at := now
	if k.Initiated != nil {
		at = *k.Initiated
	}
	config, _ := r.r.Config(feature, at)
	out := make([]string, 0, len(config.Replicas))
	for _, rr := range config.Replicas {
		out = append(out, rr.Name)
	}
	return out
}

// row makes the row; ok is false when q does not want it.
func (k *keyWrite) row(q *WriteQuery, route, missing []string, now int64) (row WriteRow, ok bool) {
	if q.Replica != "" {
		route = slices.DeleteFunc(route, func(n string) bool { return n != q.Replica })
		missing = slices.DeleteFunc(slices.Clone(missing), func(n string) bool { return n != q.Replica })
	}
	row = k.WriteRow
	row.Missing, row.Pending = append([]string{}, missing...), len(missing) > 0
	if k.Initiated == nil {
		return row, q.MinLag == 0 && q.From.IsZero() && (!q.Pending || row.Pending)
	}
	if row.Pending {
		row.AgeNS = new(max(0, now-*k.Initiated))
		return row, q.in(*k.Initiated) && q.lagIn(*row.AgeNS)
	}
	row.LagNS = k.lag(route)
	lagOK := q.MinLag == 0 && q.MaxLag == 0 || row.LagNS != nil && q.lagIn(*row.LagNS)
	return row, !q.Pending && q.in(*k.Initiated) && lagOK
}

// lag is the time to the last replica of the route; nil when the route is empty or
// the write itself was not seen at all of it (a later version satisfied it).
func (k *keyWrite) lag(route []string) *int64 {
	var last *int64
	for _, name := range route {
		at, ok := k.reached[name]
		if !ok {
			return nil
		}
		if d := at - *k.Initiated; last == nil || d > *last {
			last = &d
		}
	}
	return last
}
