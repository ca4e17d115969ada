package segment

import (
	"tidemark/metrics"
)

type decColumn struct {
	mode   int
	values []string
	codes  []uint32
}

type decNumbers struct {
	mode   int
	values []int64 // one, or one a row
}

// codes reads the codes of a column into numbers, one a row.
func (d *Decoder) codes(r *reader, col *decColumn) {
	newest := uint32(0)
	for i := range d.count {
		if col.mode == modeFollows && d.leaders[i] != uint32(i) {
			col.codes = append(col.codes, col.codes[d.leaders[i]])
			continue
		}
		code := uint32(r.uvarint(2 + len(col.values)))
		switch code {
		case 0:
			col.codes = append(col.codes, 0)
			continue
		case 1:
			newest++
			code = 2
		}
		n := newest - (code - 2)
		if n == 0 || int64(n) > int64(len(col.values)) {
			r.fail()
			n = 0
		}
		col.codes = append(col.codes, n)
	}
}

// number returns the number of a row's value; 0 is the empty string.
func (c *decColumn) number(row int) uint32 {
	switch c.mode {
	case modeAbsent:
		return 0
	case modeConst:
		return 1
	case modePlain:
		return uint32(row) + 1
	}
	return c.codes[row]
}

func (c *decColumn) at(row int) string {
	if n := c.number(row); n > 0 {
		return c.values[n-1]
	}
	return ""
}

// expand returns the number of every row's value.
func (c *decColumn) expand(count int) []uint32 {
	if c.mode != modeCodes && c.mode != modeFollows {
		c.codes = c.codes[:0]
		for i := range count {
			c.codes = append(c.codes, c.number(i))
		}
	}
	return c.codes
}

func (c *decColumn) fill(events []metrics.Event, col textColumn) {
	switch c.mode {
	case modeAbsent:
	case modeConst:
		for i := range events {
			*text(&events[i], col) = c.values[0]
		}
	case modePlain:
		for i := range events {
			*text(&events[i], col) = c.values[i]
		}
	default:
		for i, n := range c.codes {
			if n > 0 {
				*text(&events[i], col) = c.values[n-1]
			}
		}
	}
}

func (d *Decoder) readNumbers(r *reader, c numberColumn) {
	n := &d.numbers[c]
	n.mode, n.values = int(r.byte()), n.values[:0]
	switch {
	case n.mode == modeAbsent:
	case n.mode == modeConst:
		n.values = append(n.values, r.varint())
	case n.mode == modeFollows:
		for i, l := range d.leaders {
			if l == uint32(i) {
				n.values = append(n.values, r.varint())
			} else {
				n.values = append(n.values, n.values[l])
			}
		}
	case n.mode == modePlain && c.running():
		v := r.varint()
		unit := int64(r.uvarint(1_000_000_000))
		n.values = append(n.values, v)
		for range d.count - 1 {
			v += r.varint() * unit
			n.values = append(n.values, v)
		}
	case n.mode == modePlain:
		for range d.count {
			n.values = append(n.values, r.varint())
		}
	default:
		r.fail()
	}
}

func (n *decNumbers) at(row int) int64 {
	switch n.mode {
	case modeAbsent:
		return 0
	case modeConst:
		return n.values[0]
	}
	return n.values[row]
}

func (n *decNumbers) fill(events []metrics.Event, c numberColumn) {
	switch n.mode {
	case modeAbsent:
	case modeConst:
		for i := range events {
			setNumber(&events[i], c, n.values[0])
		}
	default:
		for i, v := range n.values {
			setNumber(&events[i], c, v)
		}
	}
}
