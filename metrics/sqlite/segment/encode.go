package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"unsafe"

	"github.com/klauspost/compress/zstd"

	"tidemark/metrics"
)

// MaxEvents is the most events that one segment holds.
const MaxEvents = 1 << 16

// format is the version of the layout.
const format = 1

// How a column is stored.
const (
	modeAbsent  = iota // every value is empty, or 0
	modeConst          // one value for all rows
	modePlain          // one value a row
	modeCodes          // distinct values, one code a row
	modeFollows        // the same, for rows that lead a write; or numbers for those
)

// Encoder builds segments. It keeps its memory between calls, and is for one
// caller at a time.
type Encoder struct {
	zstd     *zstd.Encoder
	crc      *crc32.Table
	digits   *nibbles
	columns  [columns]encColumn
	numbers  [numbers][]int64
	leaders  []uint32 // of each row: the first row of the same write
	firstRow []uint32
	joined   []byte

	find, rest, bin, out []byte
}

// encColumn is a text or list column being encoded.
type encColumn struct {
	dict  dict
	codes []uint32
	last  string
	code  uint32

	plain values // of a plain column
	bin   []byte
	any   bool
}

// NewEncoder returns an Encoder.
func NewEncoder() (*Encoder, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<18))
	if err != nil {
		return nil, fmt.Errorf("segment: new compressor: %w", err)
	}
	e := &Encoder{zstd: z, crc: crc32.MakeTable(crc32.Castagnoli), digits: newNibbles()}
	for i := range e.columns {
		e.columns[i].plain.digits = e.digits
	}
	return e, nil
}

// Encode appends to dst one segment of the events of all batches in order, 1 to
// MaxEvents together.
func (e *Encoder) Encode(dst []byte, batches ...[]metrics.Event) ([]byte, error) {
	count := 0
	for _, events := range batches {
		count += len(events)
	}
	if count == 0 || count > MaxEvents {
		return dst, fmt.Errorf("segment: %d events: a segment holds 1 to %d", count, MaxEvents)
	}
	e.reset()
	for _, events := range batches {
		e.gather(events)
	}
	e.lead()
	e.find, e.bin = e.texts(e.find[:0], e.bin[:0], 0, lastFind+1)
	e.rest, e.bin = e.texts(e.rest[:0], e.bin, lastFind+1, columns)
	for c := range numbers {
		e.rest = e.appendNumbers(e.rest, c)
	}
	return e.seal(dst, count), nil
}

// seal writes the header, compresses the sections and adds the checksum.
func (e *Encoder) seal(dst []byte, count int) []byte {
	e.out = e.zstd.EncodeAll(e.find, e.out[:0])
	split := len(e.out)
	e.out = e.zstd.EncodeAll(e.rest, e.out)
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0, format)
	for _, n := range [...]int{count, split, len(e.out) - split, len(e.bin)} {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	dst = append(append(dst, e.out...), e.bin...)
	binary.LittleEndian.PutUint32(dst[at:], crc32.Checksum(dst[at+4:], e.crc))
	return dst
}

func (e *Encoder) reset() {
	for i := range e.columns {
		c := &e.columns[i]
		c.dict.reset()
		c.codes, c.last, c.code, c.any = c.codes[:0], "", 0, false
		c.plain.tags, c.plain.text, c.plain.time, c.bin = c.plain.tags[:0], c.plain.text[:0], 0, c.bin[:0]
	}
	for i := range e.numbers {
		e.numbers[i] = e.numbers[i][:0]
	}
}

// gatherRows is how many events are gathered at a time: few enough to stay in the
// processor's cache while column after column is read.
const gatherRows = 32

// gather reads the events into codes and numbers, column by column.
func (e *Encoder) gather(events []metrics.Event) {
	for len(events) > 0 {
		rows := events[:min(len(events), gatherRows)]
		events = events[len(rows):]
		for c := range texts {
			if c.plain() {
				e.columns[c].gatherPlain(rows, c)
			} else {
				e.columns[c].gather(rows, c)
			}
		}
		for c := range lists {
			e.gatherList(&e.columns[texts+textColumn(c)], rows, c)
		}
		for c := range numbers {
			e.numbers[c] = gatherNumbers(e.numbers[c], rows, c)
		}
	}
}

// gather numbers the values of a text column. Most are those of the row before, and
// then mostly the same string, see decode: that takes no look at its bytes.
func (c *encColumn) gather(rows []metrics.Event, col textColumn) {
	at := textOffset[col]
	last, code := c.last, c.code
	codes := slices.Grow(c.codes, len(rows))
	n := len(codes)
	codes = codes[:n+len(rows)]
	out := codes[n:]
	for i := range rows {
		s := textAt(&rows[i], at)
		if !sameString(s, last) {
			if s != last {
				code = c.dict.number(s)
			}
			last = s
		}
		out[i] = code
	}
	c.codes, c.last, c.code = codes, last, code
}

// sameString reports whether two strings are one: the same bytes in the same place. It
// is true for few equal strings and takes less than comparing them, which is a call.
func sameString(a, b string) bool {
	return len(a) == len(b) && unsafe.StringData(a) == unsafe.StringData(b)
}

func (c *encColumn) gatherPlain(rows []metrics.Event, col textColumn) {
	at := textOffset[col]
	for i := range rows {
		s := textAt(&rows[i], at)
		c.any = c.any || s != ""
		c.bin = c.plain.add(c.bin, s)
	}
}

func (e *Encoder) gatherList(c *encColumn, rows []metrics.Event, col listColumn) {
	for i := range rows {
		code := uint32(0)
		if l := *list(&rows[i], col); l != nil {
			e.joined = joinList(e.joined[:0], l)
			code = c.dict.numberBytes(e.joined)
		}
		c.codes = append(c.codes, code)
	}
}

// joinList appends a list as its length and its elements, each with its length: so
// an empty list is not the empty string, which stands for nil.
func joinList(b []byte, l []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(l)))
	for _, s := range l {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

// lead finds the first row of each write; a row without a write leads itself.
func (e *Encoder) lead() {
	w := &e.columns[colWriteID]
	e.leaders, e.firstRow = leaders(w.codes, len(w.dict.values), e.leaders, e.firstRow)
}

func leaders(codes []uint32, distinct int, lead, first []uint32) (_, _ []uint32) {
	lead, first = lead[:0], first[:0]
	for range distinct + 1 {
		first = append(first, 0)
	}
	for i, code := range codes {
		if code == 0 {
			lead = append(lead, uint32(i))
			continue
		}
		if first[code] == 0 {
			first[code] = uint32(i) + 1
		}
		lead = append(lead, first[code]-1)
	}
	return lead, first
}

// texts appends columns from..to, their identifiers to bin.
func (e *Encoder) texts(b, bin []byte, from, to textColumn) (_, _ []byte) {
	for c := from; c < to; c++ {
		col := &e.columns[c]
		if c < texts && c.plain() {
			b, bin = col.appendPlain(b, bin)
		} else {
			b, bin = e.appendCodes(b, bin, col, c != colWriteID)
		}
	}
	return b, bin
}

func (c *encColumn) appendPlain(b, bin []byte) (_, _ []byte) {
	if !c.any {
		return append(b, modeAbsent), bin
	}
	return appendValues(append(b, modePlain), &c.plain), append(bin, c.bin...)
}

func appendValues(b []byte, v *values) []byte {
	b = binary.AppendUvarint(b, uint64(len(v.tags)))
	b = append(b, v.tags...)
	b = binary.AppendUvarint(b, uint64(len(v.text)))
	return append(b, v.text...)
}

func (e *Encoder) appendCodes(b, bin []byte, c *encColumn, mayFollow bool) (_, _ []byte) {
	if len(c.dict.values) == 0 {
		return append(b, modeAbsent), bin
	}
	v := &c.plain
	for _, s := range c.dict.values {
		bin = v.add(bin, s)
	}
	mode := e.mode(c, mayFollow)
	b = append(b, byte(mode))
	b = binary.AppendUvarint(b, uint64(len(c.dict.values)))
	b = appendValues(b, v)
	if mode != modeConst {
		b = e.appendRows(b, c.codes, mode)
	}
	return b, bin
}

func (e *Encoder) mode(c *encColumn, mayFollow bool) int {
	if len(c.dict.values) == 1 && allEqual(c.codes) {
		return modeConst
	}
	if mayFollow && follows(c.codes, e.leaders) {
		return modeFollows
	}
	return modeCodes
}

func allEqual[T comparable](s []T) bool {
	for i := range s {
		if s[i] != s[0] {
			return false
		}
	}
	return true
}

func follows[T comparable](s []T, leaders []uint32) bool {
	for i, l := range leaders {
		if s[i] != s[l] {
			return false
		}
	}
	return true
}

// appendRows appends the codes of all rows, or of the leading ones.
func (e *Encoder) appendRows(b []byte, codes []uint32, mode int) []byte {
	newest := uint32(0)
	for i, n := range codes {
		if mode == modeFollows && e.leaders[i] != uint32(i) {
			continue
		}
		switch {
		case n == 0:
			b = append(b, 0)
		case n > newest:
			newest = n
			b = append(b, 1)
		case newest-n < 126:
			b = append(b, byte(2+newest-n))
		default:
			b = binary.AppendUvarint(b, uint64(2+newest-n))
		}
	}
	return b
}

func (e *Encoder) appendNumbers(b []byte, c numberColumn) []byte {
	v := e.numbers[c]
	switch {
	case allEqual(v) && v[0] == 0:
		return append(b, modeAbsent)
	case allEqual(v):
		return binary.AppendVarint(append(b, modeConst), v[0])
	case c.running():
		return appendRunning(append(b, modePlain), v)
	case follows(v, e.leaders):
		b = append(b, modeFollows)
		for i, n := range v {
			if e.leaders[i] == uint32(i) {
				b = binary.AppendVarint(b, n)
			}
		}
		return b
	}
	b = append(b, modePlain)
	for _, n := range v {
		b = binary.AppendVarint(b, n)
	}
	return b
}

// appendRunning appends differences between neighbours, in the largest unit of time
// that divides them all.
func appendRunning(b []byte, v []int64) []byte {
	unit := int64(1_000_000_000)
	for i := 1; i < len(v) && unit > 1; i++ {
		for d := v[i] - v[i-1]; d%unit != 0; {
			unit /= 1000
		}
	}
	b = binary.AppendVarint(b, v[0])
	b = binary.AppendUvarint(b, uint64(unit))
	if unit == 1 {
		for i := 1; i < len(v); i++ {
			b = binary.AppendVarint(b, v[i]-v[i-1])
		}
		return b
	}
	for i := 1; i < len(v); i++ {
		b = binary.AppendVarint(b, (v[i]-v[i-1])/unit)
	}
	return b
}
