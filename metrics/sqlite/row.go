package sqlite

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"tidemark/metrics"
)

// putter runs the statements of a checkpoint, each prepared once, until one fails.
type putter struct {
	ctx context.Context
	tx  *sql.Tx
	err error
}

// each runs one statement for n rows; args fills in those of row i.
func (p *putter) each(what, query string, n int, args func(i int) []any) {
	if p.err != nil || n == 0 {
		return
	}
	st, err := p.tx.PrepareContext(p.ctx, query)
	if err != nil {
		p.err = wrap(err, "%s", what)
		return
	}
	defer st.Close()
	for i := range n {
		if _, err := st.ExecContext(p.ctx, args(i)...); err != nil {
			p.err = wrap(err, "%s %d of %d", what, i+1, n)
			return
		}
	}
}

// text is v as JSON.
func (p *putter) text(v any) string {
	b, err := json.Marshal(v)
	if err != nil && p.err == nil {
		p.err = err
	}
	return string(b)
}

func commitRows(ctx context.Context, tx *sql.Tx, c *metrics.Checkpoint) error {
	p := &putter{ctx: ctx, tx: tx}
	p.conflicts(c.Conflicts)
	p.violations(c.Violations)
	p.exemplars(c.Exemplars)
	p.openWrites(c.Spilled)
	p.heard(c.Heard)
	gone := func(ids []string) func(int) []any { return func(i int) []any { return []any{ids[i]} } }
	p.each("violation gone", "DELETE FROM violation WHERE id = ?", len(c.ViolationsGone), gone(c.ViolationsGone))
	p.each("open write gone", "DELETE FROM open_write WHERE feature = ? AND write_id = ?", len(c.SpilledGone), func(i int) []any {
		return []any{c.SpilledGone[i].Feature, c.SpilledGone[i].ID}
	})
	p.each("trial gone", "DELETE FROM trial_unit WHERE trial = ?", len(c.TrialsGone), gone(c.TrialsGone))
	p.trialUnits(c.TrialUnits)
	names := make([]string, 0, len(c.Blobs))
	for name := range c.Blobs {
		names = append(names, name)
	}
	p.each("blob", "INSERT OR REPLACE INTO blob (name, data) VALUES (?, ?)", len(names), func(i int) []any {
		data := c.Blobs[names[i]]
		if data == nil {
			data = []byte{}
		}
		return []any{names[i], data}
	})
	p.each("blob gone", "DELETE FROM blob WHERE name = ?", len(c.BlobsGone), gone(c.BlobsGone))
	return p.err
}

// selection collects the conditions of a query.
type selection struct {
	where []string
	args  []any
}

func (s *selection) and(cond string, args ...any) {
	s.where = append(s.where, cond)
	s.args = append(s.args, args...)
}

// is adds a condition on a column unless the value is empty.
func (s *selection) is(column, value string) {
	if value != "" {
		s.and(column+" = ?", value)
	}
}

// within adds from ≤ column < to, where 0 is no bound.
func (s *selection) within(column string, from, to int64) {
	if from != 0 {
		s.and(column+" >= ?", from)
	}
	if to != 0 {
		s.and(column+" < ?", to)
	}
}

func (s *selection) String() string {
	if len(s.where) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(s.where, " AND ")
}

const (
	defaultLimit = 50
	maxLimit     = 500
)

func clampLimit(n int) int {
	if n <= 0 {
		return defaultLimit
	}
	return min(n, maxLimit)
}

// after adds the rows after a cursor, newest first, then by id.
func (s *selection) after(cursor string) error {
	if cursor == "" {
		return nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return fmt.Errorf("%w %q", metrics.ErrCursor, cursor)
	}
	text, id, ok := strings.Cut(string(b), " ")
	at, err := strconv.ParseInt(text, 10, 64)
	if !ok || err != nil {
		return fmt.Errorf("%w %q", metrics.ErrCursor, cursor)
	}
	s.and("at <= ? AND (at < ? OR id > ?)", at, at, id)
	return nil
}

func cursorAt(at int64, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(at, 10) + " " + id))
}

// page reads one page of rows kept as JSON, newest first.
func page[T any](ctx context.Context, s *Store, table string, sel *selection, cursor string, limit int) ([]T, string, error) {
	if err := sel.after(cursor); err != nil {
		return nil, "", err
	}
	return list[T](ctx, s, table, sel, "at DESC, id", clampLimit(limit))
}

// list reads rows kept as JSON in an order; next is the cursor after the last one.
func list[T any](ctx context.Context, s *Store, table string, sel *selection, order string, limit int) ([]T, string, error) {
	rows, err := s.main.r.QueryContext(ctx, "SELECT at, id, data FROM "+table+sel.String()+
		" ORDER BY "+order+" LIMIT "+strconv.Itoa(limit+1), sel.args...)
	if err != nil {
		return nil, "", wrap(err, "%s: read %ss", s.main.path, table)
	}
	defer rows.Close()
	var found []T
	var at int64
	var id, next string
	for rows.Next() {
		if len(found) == limit {
			next = cursorAt(at, id)
			break
		}
		var v T
		var data []byte
		if err := rows.Scan(&at, &id, &data); err != nil {
			return nil, "", wrap(err, "%s: read %ss", s.main.path, table)
		}
		if err := json.Unmarshal(data, &v); err != nil {
			return nil, "", fmt.Errorf("%s: %w: %s %q: %w", s.main.path, metrics.ErrDamaged, table, id, err)
		}
		found = append(found, v)
	}
	return found, next, wrap(rows.Err(), "%s: read %ss", s.main.path, table)
}
