package sqlite

import (
	"encoding/binary"
	"fmt"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
	"tidemark/metrics/sqlite/segment"
)

// A block holds the cells of neighbouring windows of one series at one level, as
// (window, length, cell) in order of window. Blocks are keyed by level, then time,
// then series: a checkpoint touches every series in the current windows, so what it
// writes lies together, and so does what retention deletes.

// windows is how many windows a block of a level holds.
func windows(l metrics.Level) int64 {
	switch l {
	case metrics.Level10s:
		return 30
	case metrics.Level1m:
		return 60
	}
	return 24
}

// The bits of a block's id: level, block, series.
const (
	seriesBits = 32
	blockBits  = 28
	blockZero  = 1 << (blockBits - 1) // the block of Unix time 0
)

func levelNumber(l metrics.Level) (int64, error) {
	for i, have := range metrics.Levels {
		if have == l {
			return int64(i), nil
		}
	}
	return 0, fmt.Errorf("level %d s: 10, 60 or 3600 are kept", int64(l))
}

// place returns the block and the window in it of a cell's start (Unix seconds).
func place(l metrics.Level, start int64) (block int64, window int) {
	n := start / int64(l) // starts are multiples of the level
	block = n / windows(l)
	if n%windows(l) < 0 {
		block--
	}
	return block + blockZero, int(n - block*windows(l))
}

// startOf is the start of a window of a block.
func startOf(l metrics.Level, block int64, window int) int64 {
	return ((block-blockZero)*windows(l) + int64(window)) * int64(l)
}

func blockID(level, block, series int64) int64 {
	return level<<(blockBits+seriesBits) | block<<seriesBits | series
}

// nextCell cuts the first cell off a block.
func nextCell(b []byte) (window int, cell, rest []byte, err error) {
	w, n := binary.Uvarint(b)
	if n <= 0 || w > 1<<16 {
		return 0, nil, nil, segment.ErrDamaged
	}
	size, m := binary.Uvarint(b[n:])
	if m <= 0 || size > uint64(len(b)-n-m) {
		return 0, nil, nil, segment.ErrDamaged
	}
	at := n + m
	return int(w), b[at : at+int(size)], b[at+int(size):], nil
}

func appendCell(b []byte, window int, cell []byte) []byte {
	b = binary.AppendUvarint(b, uint64(window))
	b = binary.AppendUvarint(b, uint64(len(cell)))
	return append(b, cell...)
}

// delta is one difference on its way into a block.
type delta struct {
	id     int64
	window int
	cell   *sketch.Cell
}

// mergeBlock appends to dst the block old with deltas, sorted by window, added.
// Cells without a delta are copied as they are; cells that become zero are left out.
func mergeBlock(dst, old []byte, deltas []delta, cell *sketch.Cell, buf []byte) (_, _ []byte, err error) {
	for len(old) > 0 || len(deltas) > 0 {
		window, enc, rest := 1<<30, []byte(nil), []byte(nil)
		if len(old) > 0 {
			if window, enc, rest, err = nextCell(old); err != nil {
				return dst, buf, err
			}
		}
		if len(deltas) == 0 || window < deltas[0].window {
			dst, old = append(dst, old[:len(old)-len(rest)]...), rest
			continue
		}
		cell.Reset()
		if window == deltas[0].window {
			if err := cell.MergeEncoded(enc); err != nil {
				return dst, buf, err
			}
			old = rest
		}
		window = deltas[0].window
		for len(deltas) > 0 && deltas[0].window == window {
			cell.Merge(deltas[0].cell)
			deltas = deltas[1:]
		}
		if !cell.IsZero() {
			buf = cell.Append(buf[:0])
			dst = appendCell(dst, window, buf)
		}
	}
	return dst, buf, nil
}
