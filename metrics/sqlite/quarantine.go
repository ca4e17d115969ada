package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"tidemark/metrics"
	"tidemark/metrics/sqlite/segment"
)

// maxHeld bounds what is read of the quarantine at once.
const maxHeld = 1000

// quarantined is how much is held, so that limits cost no look at the tables.
type quarantined struct {
	mu    sync.Mutex // held by whoever changes the tables
	total metrics.HeldTotal
	of    map[string]metrics.HeldTotal // by feature; those with none are not in it
	enc   *segment.Encoder             // guarded by mu; nil until used

	index heldIndex
}

func (s *Store) loadQuarantine(ctx context.Context) error {
	if err := s.loadHeldTotals(ctx); err != nil {
		return wrap(err, "%s: count the quarantine", s.main.path)
	}
	return s.loadHeld(ctx)
}

// HeldTotal implements metrics.Quarantine.
func (s *Store) HeldTotal() metrics.HeldTotal {
	s.quarantine.mu.Lock()
	defer s.quarantine.mu.Unlock()
	return s.quarantine.total
}

// Hold implements metrics.Quarantine.
func (s *Store) Hold(ctx context.Context, at int64, events []metrics.Event, most metrics.HeldTotal) (h metrics.Holding, err error) {
	done, err := s.use(ctx)
	if err != nil {
		return h, err
	}
	defer done()
	q := &s.quarantine
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.enc == nil {
		if q.enc, err = segment.NewEncoder(); err != nil {
			return h, wrap(err, "hold events")
		}
	}
	ctx = context.WithoutCancel(ctx)
	var room *heldRoom
	held := map[int64]*metrics.Event{}
	err = s.main.tx(ctx, func(tx *sql.Tx) error {
		h, room = metrics.Holding{}, q.room(most)
		clear(held)
		p := &holder{ctx: ctx, tx: tx, enc: q.enc, at: at}
		for i := range events {
			size := int64(len(events[i].AppendJSON(p.json[:0])))
			fits, overShare := room.fits(events[i].Feature, size)
			switch known, err := p.known(metrics.HeldID(&events[i])); {
			case err != nil:
				return err
			case known:
				h.Duplicates++
			case !fits:
				h.Refused = append(h.Refused, i)
				if overShare {
					h.OverShare = append(h.OverShare, i)
				}
			default:
				number, err := p.hold(&events[i], size)
				if err != nil {
					return err
				}
				held[number] = &events[i]
				h.Held++
				room.take(events[i].Feature, size)
			}
		}
		return nil
	})
	if err != nil {
		return metrics.Holding{}, wrap(err, "%s: hold %d events", s.main.path, len(events))
	}
	q.took(room)
	q.index.add(held)
	return h, nil
}

// holder stores single events in one transaction.
type holder struct {
	ctx  context.Context
	tx   *sql.Tx
	enc  *segment.Encoder
	at   int64
	json []byte // scratch
	data []byte // scratch
}

func (p *holder) known(event string) (known bool, err error) {
	err = p.tx.QueryRowContext(p.ctx, "SELECT EXISTS (SELECT 1 FROM quarantine WHERE event = ?)", event).Scan(&known)
	return known, err
}

func (p *holder) hold(e *metrics.Event, size int64) (number int64, err error) {
	if p.data, err = p.enc.Encode(p.data[:0], []metrics.Event{*e}); err != nil {
		return 0, err
	}
	const put = "INSERT INTO quarantine (event, feature, held_at, bytes, data) VALUES (?, ?, ?, ?, ?)"
	r, err := p.tx.ExecContext(p.ctx, put, metrics.HeldID(e), e.Feature, p.at, size, p.data)
	if err != nil {
		return 0, err
	}
	if number, err = r.LastInsertId(); err != nil {
		return 0, err
	}
	labels := slices.Compact(slices.Sorted(slices.Values(e.Labels)))
	if len(labels) == 0 {
		return number, nil
	}
	args := make([]any, 0, 3*len(labels))
	for _, l := range labels {
		args = append(args, l, e.Feature, number)
	}
	row := "INSERT INTO quarantine_label (label, feature, number) VALUES (?, ?, ?)" + strings.Repeat(", (?, ?, ?)", len(labels)-1)
	if _, err := p.tx.ExecContext(p.ctx, row, args...); err != nil {
		return 0, err
	}
	return number, nil
}

// Held implements metrics.Quarantine.
func (s *Store) Held(ctx context.Context, q metrics.HeldQuery) ([]metrics.Held, error) {
	done, err := s.use(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return s.held(ctx, q)
}

func (s *Store) held(ctx context.Context, q metrics.HeldQuery) ([]metrics.Held, error) {
	d, err := s.log.decoder()
	if err != nil {
		return nil, err
	}
	defer s.log.decoders.Put(d)
	sel, order := heldSelection(q)
	limit := defaultLimit
	if q.Limit > 0 {
		limit = min(q.Limit, maxHeld)
	}
	rows, err := s.main.r.QueryContext(ctx, "SELECT number, held_at, data FROM quarantine"+sel.String()+
		" ORDER BY number "+order+" LIMIT "+strconv.Itoa(limit), sel.args...)
	if err != nil {
		return nil, wrap(err, "%s: read the quarantine", s.main.path)
	}
	defer rows.Close()
	found := []metrics.Held{}
	for rows.Next() {
		var h metrics.Held
		var data []byte
		if err := rows.Scan(&h.Number, &h.HeldAt, &data); err != nil {
			return nil, wrap(err, "%s: read the quarantine", s.main.path)
		}
		if _, err = d.Open(data); err == nil {
			h.Event, err = d.Event(0)
		}
		if err != nil {
			return nil, wrap(err, "%s: event %d in quarantine", s.main.path, h.Number)
		}
		own(&h.Event)
		found = append(found, h)
	}
	return found, wrap(rows.Err(), "%s: read the quarantine", s.main.path)
}

func heldSelection(q metrics.HeldQuery) (sel selection, order string) {
	sel.is("feature", q.Feature)
	if q.Label != "" {
		sel.and("number IN (SELECT number FROM quarantine_label WHERE label = ?)", q.Label)
	}
	if len(q.Without) > 0 {
		list, _ := json.Marshal(q.Without) // Strings always marshal.
		sel.and(`NOT EXISTS (SELECT 1 FROM quarantine_label l WHERE l.number = quarantine.number
			AND l.label IN (SELECT value FROM json_each(?)))`, string(list))
	}
	sel.within("held_at", 0, q.HeldBefore)
	if q.After != 0 {
		sel.and("number > ?", q.After)
	}
	if q.Through != 0 {
		sel.and("number <= ?", q.Through)
	}
	if q.Newest {
		return sel, "DESC"
	}
	return sel, "ASC"
}

// HeldCounts implements metrics.Quarantine.
func (s *Store) HeldCounts(ctx context.Context, q metrics.HeldCountQuery) ([]metrics.HeldCount, error) {
	done, err := s.use(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	var sel selection
	sel.is("feature", q.Feature)
	limit := q.Limit
	if limit <= 0 {
		limit = -1
	}
	// Numbers are in order of arrival: the first and last are those of the times.
	rows, err := s.main.r.QueryContext(ctx, `SELECT c.feature, c.label, c.events, first.held_at, last.held_at
		FROM (SELECT * FROM quarantine_count`+sel.String()+` ORDER BY events DESC, feature, label LIMIT ?) c
		JOIN quarantine first ON first.number = (SELECT min(number) FROM quarantine_label WHERE label = c.label AND feature = c.feature)
		JOIN quarantine last ON last.number = (SELECT max(number) FROM quarantine_label WHERE label = c.label AND feature = c.feature)
		ORDER BY c.events DESC, c.feature, c.label`, append(sel.args, limit)...)
	if err != nil {
		return nil, wrap(err, "%s: count the quarantine", s.main.path)
	}
	defer rows.Close()
	found := []metrics.HeldCount{}
	for rows.Next() {
		var c metrics.HeldCount
		if err := rows.Scan(&c.Feature, &c.Label, &c.Events, &c.Oldest, &c.Newest); err != nil {
			return nil, wrap(err, "%s: count the quarantine", s.main.path)
		}
		found = append(found, c)
	}
	return found, wrap(rows.Err(), "%s: count the quarantine", s.main.path)
}

// HeldNumber implements metrics.Quarantine.
func (s *Store) HeldNumber(ctx context.Context, feature, label string) (n int64, err error) {
	done, err := s.use(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	sel, _ := heldSelection(metrics.HeldQuery{Feature: feature, Label: label})
	err = s.main.r.QueryRowContext(ctx, "SELECT count(*) FROM quarantine"+sel.String(), sel.args...).Scan(&n)
	return n, wrap(err, "%s: count the quarantine", s.main.path)
}

// Unhold implements metrics.Quarantine.
func (s *Store) Unhold(ctx context.Context, numbers []int64) (int, error) {
	done, err := s.use(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	q := &s.quarantine
	q.mu.Lock()
	defer q.mu.Unlock()
	ctx = context.WithoutCancel(ctx)
	gone := map[string]metrics.HeldTotal{} // by feature
	numbers = slices.Compact(slices.Sorted(slices.Values(numbers)))
	err = s.main.tx(ctx, func(tx *sql.Tx) error {
		clear(gone)
		for _, n := range numbers {
			var feature string
			var size int64
			err := tx.QueryRowContext(ctx, "DELETE FROM quarantine WHERE number = ? RETURNING feature, bytes", n).Scan(&feature, &size)
			switch {
			case err == nil:
				gone[feature] = gone[feature].With(size)
			case !errors.Is(err, sql.ErrNoRows):
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, wrap(err, "%s: remove %d events from quarantine", s.main.path, len(numbers))
	}
	q.index.remove(numbers)
	return q.gave(gone), nil
}
