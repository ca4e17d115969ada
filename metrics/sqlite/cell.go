package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
	"tidemark/metrics/sqlite/segment"
)

// commitCells adds differences to the cells at every level, block by block in the
// order in which they are stored.
func (s *Store) commitCells(ctx context.Context, tx *sql.Tx, all map[metrics.CellKey]*sketch.Cell, series *newSeries) error {
	deltas, err := placeDeltas(ctx, tx, all, series)
	if err != nil || len(deltas) == 0 {
		return err
	}
	put, err := tx.PrepareContext(ctx, "INSERT OR REPLACE INTO block (id, data) VALUES (?, ?)")
	if err != nil {
		return err
	}
	defer put.Close()
	old := &blockReader{tx: tx, series: s.series.count()}
	var out, buf []byte
	var cell sketch.Cell
	for len(deltas) > 0 {
		id, n := deltas[0].id, 1
		for n < len(deltas) && deltas[n].id == id {
			n++
		}
		data, err := old.block(ctx, deltas)
		if err != nil {
			return wrap(err, "block %d", id)
		}
		if out, buf, err = mergeBlock(out[:0], data, deltas[:n], &cell, buf); err != nil {
			return wrap(damaged(err), "block %d", id)
		}
		if len(out) == 0 {
			_, err = tx.ExecContext(ctx, "DELETE FROM block WHERE id = ?", id)
		} else {
			_, err = put.ExecContext(ctx, id, out)
		}
		if err != nil {
			return wrap(err, "block %d", id)
		}
		deltas = deltas[n:]
	}
	return nil
}

// blockReader reads the blocks that a commit changes, those of one level and span
// of time in one go: a statement for each block costs more than all the rest.
type blockReader struct {
	tx     *sql.Tx
	series int64 // how many there are: the most blocks in one span
	past   int64 // after the ids that were read
	ids    []int64
	ends   []int // of the blocks in data
	data   []byte
}

// block returns what is stored for the first delta; calls follow the order of ids.
func (r *blockReader) block(ctx context.Context, deltas []delta) ([]byte, error) {
	id := deltas[0].id
	if id >= r.past {
		if err := r.read(ctx, deltas); err != nil {
			return nil, err
		}
	}
	i, ok := slices.BinarySearch(r.ids, id)
	if !ok {
		return nil, nil
	}
	from := 0
	if i > 0 {
		from = r.ends[i-1]
	}
	return r.data[from:r.ends[i]], nil
}

// sparse is how many blocks may be read for one that is needed.
const sparse = 8

// read reads all blocks from the first delta to the last one of the same span, or
// the first alone when it would read many blocks for few.
func (r *blockReader) read(ctx context.Context, deltas []delta) error {
	id := deltas[0].id
	span, needed := id>>seriesBits, int64(0)
	r.past = id + 1
	for i := range deltas {
		if deltas[i].id>>seriesBits != span {
			break
		}
		needed++
	}
	if needed*sparse >= r.series {
		r.past = deltas[needed-1].id + 1
	}
	r.ids, r.ends, r.data = r.ids[:0], r.ends[:0], r.data[:0]
	rows, err := r.tx.QueryContext(ctx, "SELECT id, data FROM block WHERE id >= ? AND id < ? ORDER BY id", id, r.past)
	if err != nil {
		return err
	}
	defer rows.Close()
	var data sql.RawBytes
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id, &data); err != nil {
			return err
		}
		r.ids, r.data = append(r.ids, id), append(r.data, data...)
		r.ends = append(r.ends, len(r.data))
	}
	return errors.Join(rows.Err(), rows.Close())
}

// damaged says that bytes which do not decode are damage.
func damaged(err error) error {
	if errors.Is(err, sketch.ErrEncoding) {
		return errors.Join(segment.ErrDamaged, err)
	}
	return err
}

// placeDeltas lists where each difference goes, at each level, sorted.
func placeDeltas(ctx context.Context, tx *sql.Tx, all map[metrics.CellKey]*sketch.Cell, series *newSeries) ([]delta, error) {
	deltas := make([]delta, 0, len(all)*len(metrics.Levels))
	for key, cell := range all {
		id, err := series.id(ctx, tx, key.Series)
		if err != nil {
			return nil, wrap(err, "series of feature %q", key.Series.Feature)
		}
		for n, l := range metrics.Levels {
			block, window := place(l, l.Start(key.Start*int64(time.Second)))
			deltas = append(deltas, delta{blockID(int64(n), block, id), window, cell})
		}
	}
	slices.SortFunc(deltas, func(a, b delta) int {
		if a.id != b.id {
			return compareInt(a.id, b.id)
		}
		return a.window - b.window
	})
	return deltas, nil
}

func compareInt(a, b int64) int {
	if a < b {
		return -1
	}
	return 1
}

// A query names the blocks of one series in a range of blocks one by one: they are
// apart from each other by what other series have.
const selectBlocks = `
WITH RECURSIVE n (b) AS (SELECT ?1 UNION ALL SELECT b + 1 FROM n WHERE b < ?2)
SELECT n.b, block.data FROM n CROSS JOIN block ON block.id = ((?3 << 60) | (n.b << 32) | ?4) ORDER BY n.b`

// Cells implements metrics.Rollups. Everything comes from one moment.
func (s *Store) Cells(ctx context.Context, q metrics.CellQuery, fn metrics.CellFunc) error {
	done, err := s.use(ctx)
	if err != nil {
		return err
	}
	defer done()
	level, err := levelNumber(q.Level)
	if err != nil {
		return err
	}
	conn, tx, err := begin(ctx, s.main.r, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return wrap(err, "%s: read cells", s.main.path)
	}
	defer conn.Close()
	defer func() { _ = tx.Rollback() }()
	if q.At != nil {
		if err := tellPosition(ctx, tx, q.At); err != nil {
			return wrap(err, "%s: read cells", s.main.path)
		}
	}
	first, last, ok, err := blockRange(ctx, tx, level, q)
	if err != nil || !ok {
		return wrap(err, "%s: read cells", s.main.path)
	}
	sel, err := tx.PrepareContext(ctx, selectBlocks)
	if err != nil {
		return wrap(err, "%s: read cells", s.main.path)
	}
	defer sel.Close()
	r := cellReader{q: q, fn: fn, sel: sel, level: level, first: first, last: last}
	for _, k := range s.series.matching(&q) {
		if err := r.series(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

// tellPosition calls at with the checkpoint that a transaction sees.
func tellPosition(ctx context.Context, tx *sql.Tx, at func(metrics.Position) error) error {
	var p metrics.Position
	if err := tx.QueryRowContext(ctx, selectPosition).Scan(&p); err != nil {
		return err
	}
	return at(p)
}

// blockRange returns the first and last block that may hold cells of a query.
func blockRange(ctx context.Context, tx *sql.Tx, level int64, q metrics.CellQuery) (first, last int64, ok bool, err error) {
	if q.From >= q.To {
		return 0, 0, false, nil
	}
	const newest, oldest = "SELECT max(id) FROM block WHERE id >= ? AND id < ?", "SELECT min(id) FROM block WHERE id >= ? AND id < ?"
	from, to := blockID(level, 0, 0), blockID(level+1, 0, 0)
	var low, high sql.NullInt64
	if err := tx.QueryRowContext(ctx, oldest, from, to).Scan(&low); err != nil {
		return 0, 0, false, err
	}
	if err := tx.QueryRowContext(ctx, newest, from, to).Scan(&high); err != nil {
		return 0, 0, false, err
	}
	const mask = 1<<blockBits - 1
	first, last = low.Int64>>seriesBits&mask, high.Int64>>seriesBits&mask
	// A bound is only placed when it cuts something off: it may be beyond all blocks.
	if q.From > startOf(q.Level, first, 0) {
		first, _ = place(q.Level, ceil(q.From, int64(q.Level)))
	}
	if q.To <= startOf(q.Level, last+1, 0) {
		last, _ = place(q.Level, ceil(q.To, int64(q.Level))-int64(q.Level))
	}
	return first, last, low.Valid && first <= last, nil
}

// ceil is the least multiple of n that is at least v.
func ceil(v, n int64) int64 {
	m := v % n
	switch {
	case m > 0:
		return v - m + n
	case m < 0:
		return v - m
	}
	return v
}

type cellReader struct {
	q           metrics.CellQuery
	fn          metrics.CellFunc
	sel         *sql.Stmt
	level       int64
	first, last int64
	cell        sketch.Cell
}

func (r *cellReader) series(ctx context.Context, k *knownSeries) error {
	rows, err := r.sel.QueryContext(ctx, r.first, r.last, r.level, k.id)
	if err != nil {
		return wrap(err, "read cells of series %d", k.id)
	}
	defer rows.Close()
	var data sql.RawBytes
	for rows.Next() {
		var block int64
		if err := rows.Scan(&block, &data); err != nil {
			return wrap(err, "read cells of series %d", k.id)
		}
		if err := r.block(k, block, data); err != nil {
			return err
		}
	}
	return wrap(rows.Err(), "read cells of series %d", k.id)
}

func (r *cellReader) block(k *knownSeries, block int64, data []byte) error {
	for len(data) > 0 {
		window, enc, rest, err := nextCell(data)
		if err == nil {
			data = rest
			start := startOf(r.q.Level, block, window)
			if start < r.q.From || start >= r.q.To {
				continue
			}
			r.cell.Reset()
			if err = r.cell.MergeEncoded(enc); err == nil {
				if err := r.fn(&k.Series, start, &r.cell); err != nil {
					return err
				}
				continue
			}
		}
		return wrap(damaged(err), "block %d of series %d", block, k.id)
	}
	return nil
}
