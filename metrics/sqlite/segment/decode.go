package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"unsafe"

	"github.com/klauspost/compress/zstd"

	"tidemark/metrics"
)

// ErrDamaged is returned for bytes that are not what Encode wrote.
var ErrDamaged = errors.New("segment is damaged")

// maxSection bounds what a section may say it decompresses to.
const maxSection = 1 << 30

// Decoder reads segments. It keeps its memory between calls, and is for one caller
// at a time.
type Decoder struct {
	zstd *zstd.Decoder
	crc  *crc32.Table

	count             int
	findZ, restZ      []byte // compressed sections of the opened segment
	bin               reader
	find, rest        []byte
	columns           [columns]decColumn
	numbers           [numbers]decNumbers
	leaders, firstRow []uint32
	arena             []byte
	restLoaded        bool
	lists             [lists][][]string
	events            []metrics.Event
}

// NewDecoder returns a Decoder.
func NewDecoder() (*Decoder, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxSection))
	if err != nil {
		return nil, fmt.Errorf("segment: new decompressor: %w", err)
	}
	return &Decoder{zstd: z, crc: crc32.MakeTable(crc32.Castagnoli)}, nil
}

// Close releases what the decoder holds.
func (d *Decoder) Close() { d.zstd.Close() }

// Open checks a segment and reads the columns that tell its entities. What it
// returned before is no longer valid.
func (d *Decoder) Open(b []byte) (count int, err error) {
	if err := d.header(b); err != nil {
		return 0, err
	}
	d.arena, d.restLoaded = d.arena[:0], false
	if d.find, err = d.zstd.DecodeAll(d.findZ, d.find[:0]); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	r := reader{b: d.find}
	for c := range lastFind + 1 {
		d.text(&r, c)
		if c == colWriteID && r.err == nil && d.bin.err == nil {
			w := &d.columns[c]
			d.leaders, d.firstRow = leaders(w.expand(d.count), len(w.values), d.leaders, d.firstRow)
		}
	}
	return d.count, errors.Join(r.err, d.bin.err)
}

func (d *Decoder) header(b []byte) error {
	if len(b) < 5 || binary.LittleEndian.Uint32(b) != crc32.Checksum(b[4:], d.crc) {
		return fmt.Errorf("%w: the checksum of %d bytes does not match", ErrDamaged, len(b))
	}
	if b[4] != format {
		return fmt.Errorf("%w: format %d is not known to this version", ErrDamaged, b[4])
	}
	r := reader{b: b[5:]}
	count := r.uvarint(MaxEvents)
	sizes := [3]int{r.uvarint(maxSection), r.uvarint(maxSection), r.uvarint(maxSection)}
	d.count = count
	d.findZ, d.restZ = r.take(sizes[0]), r.take(sizes[1])
	d.bin = reader{b: r.take(sizes[2])}
	if count == 0 {
		r.fail()
	}
	return r.err
}

// Entities lists the entities of the opened segment.
func (d *Decoder) Entities() Entities {
	col := &d.columns
	ids := ids{
		writes: col[colWriteID].values, sessions: col[colSession].values,
		features: col[colFeature].values, keys: col[colKey].values,
		feature: col[colFeature].expand(d.count), key: col[colKey].expand(d.count),
	}
	return ids.entities()
}

// Events returns all events of the opened segment. They and their strings are only
// valid until the next Open.
func (d *Decoder) Events() ([]metrics.Event, error) {
	if err := d.loadRest(); err != nil {
		return nil, err
	}
	d.resize(d.count)
	for c := range texts {
		d.columns[c].fill(d.events, c)
	}
	for c := range lists {
		d.fillList(c)
	}
	for c := range numbers {
		d.numbers[c].fill(d.events, c)
	}
	return d.events, nil
}

func (d *Decoder) resize(n int) {
	if cap(d.events) < n {
		d.events = make([]metrics.Event, n)
	}
	d.events = d.events[:n]
	clear(d.events)
}

// Rows appends to dst the numbers of the rows, before row end, that may belong to
// an entity.
func (d *Decoder) Rows(dst []int, kind metrics.EntityKind, want metrics.Entity, end int) []int {
	col, hash := &d.columns[colSession], metrics.SessionEntity
	switch kind {
	case metrics.EntityWrite:
		col, hash = &d.columns[colWriteID], metrics.WriteEntity
	case metrics.EntityKey:
		return d.keyRows(dst, want, end)
	}
	match := make([]bool, len(col.values)+1)
	for i, s := range col.values {
		match[i+1] = hash(s) == want
	}
	for i, n := range col.expand(d.count)[:min(end, d.count)] {
		if match[n] {
			dst = append(dst, i)
		}
	}
	return dst
}

// OfFeature keeps those of some rows whose event is about a feature.
func (d *Decoder) OfFeature(rows []int, feature string) []int {
	col := &d.columns[colFeature]
	numbers := col.expand(d.count)
	return slices.DeleteFunc(rows, func(row int) bool { return numbers[row] == 0 || col.values[numbers[row]-1] != feature })
}

func (d *Decoder) keyRows(dst []int, want metrics.Entity, end int) []int {
	key, feature := &d.columns[colKey], &d.columns[colFeature]
	keys, features := key.expand(d.count), feature.expand(d.count)
	known := map[uint64]bool{}
	for i := range min(end, d.count) {
		if keys[i] == 0 {
			continue
		}
		pair := uint64(features[i])<<32 | uint64(keys[i])
		is, seen := known[pair]
		if !seen {
			is = metrics.KeyEntity(feature.at(i), key.at(i)) == want
			known[pair] = is
		}
		if is {
			dst = append(dst, i)
		}
	}
	return dst
}

// Event returns one event of the opened segment, with strings that are only valid
// until the next Open.
func (d *Decoder) Event(row int) (metrics.Event, error) {
	var e metrics.Event
	if err := d.loadRest(); err != nil {
		return e, err
	}
	for c := range texts {
		*text(&e, c) = d.columns[c].at(row)
	}
	for c := range lists {
		if n := d.columns[texts+textColumn(c)].number(row); n > 0 {
			*list(&e, c) = d.lists[c][n-1]
		}
	}
	for c := range numbers {
		setNumber(&e, c, d.numbers[c].at(row))
	}
	return e, nil
}

func (d *Decoder) loadRest() (err error) {
	if d.restLoaded {
		return nil
	}
	if d.rest, err = d.zstd.DecodeAll(d.restZ, d.rest[:0]); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	r := reader{b: d.rest}
	for c := lastFind + 1; c < columns; c++ {
		d.text(&r, c)
	}
	for c := range lists {
		d.split(&r, c)
	}
	for c := range numbers {
		d.readNumbers(&r, c)
	}
	if r.err == nil && d.bin.err == nil && len(r.b)+len(d.bin.b) > 0 {
		r.fail()
	}
	if err := errors.Join(r.err, d.bin.err); err != nil {
		return err
	}
	d.restLoaded = true
	return nil
}

// text reads one text column.
func (d *Decoder) text(r *reader, c textColumn) {
	col := &d.columns[c]
	col.mode = int(r.byte())
	col.values, col.codes = col.values[:0], col.codes[:0]
	n := d.count
	switch col.mode {
	case modeAbsent:
		return
	case modeConst, modeCodes, modeFollows:
		n = r.uvarint(d.count)
	case modePlain:
	default:
		r.fail()
		return
	}
	tags := reader{b: r.take(r.uvarint(maxSection))}
	textBytes := reader{b: r.take(r.uvarint(maxSection))}
	var ms int64
	for range n {
		col.values = append(col.values, d.value(&tags, &textBytes, &ms))
	}
	if tags.err != nil || textBytes.err != nil || len(tags.b)+len(textBytes.b) > 0 || n == 0 {
		r.fail()
	}
	if col.mode == modeCodes || col.mode == modeFollows {
		d.codes(r, col)
	}
}

// value reads one value into the arena.
func (d *Decoder) value(tags, textBytes *reader, ms *int64) string {
	tag := tags.uvarint(maxSection)
	at := len(d.arena)
	switch {
	case tag >= formTextBase:
		d.arena = append(d.arena, textBytes.take(tag-formTextBase)...)
	case tag == formUUID7:
		*ms += tags.varint()
		var id [16]byte
		binary.BigEndian.PutUint64(id[:], uint64(*ms)<<16)
		copy(id[6:], d.bin.take(width(tag)))
		d.arena = unpack(d.arena, formUUID, id[:])
	default:
		b := d.bin.take(width(tag))
		if len(b) == 0 {
			return ""
		}
		d.arena = unpack(d.arena, tag, b)
	}
	if len(d.arena) == at {
		return ""
	}
	// The string is only valid until the arena is used again, as the callers say.
	return unsafe.String(&d.arena[at], len(d.arena)-at)
}

// split turns the distinct values of a list column into lists.
func (d *Decoder) split(r *reader, c listColumn) {
	d.lists[c] = d.lists[c][:0]
	for _, s := range d.columns[texts+textColumn(c)].values {
		in := reader{b: []byte(s)}
		l := []string{}
		for range in.uvarint(maxSection) {
			if in.err != nil {
				break
			}
			l = append(l, string(in.take(in.uvarint(maxSection))))
		}
		if in.err != nil {
			r.fail()
		}
		d.lists[c] = append(d.lists[c], l)
	}
}

func (d *Decoder) fillList(c listColumn) {
	col := &d.columns[texts+textColumn(c)]
	if col.mode == modeAbsent {
		return
	}
	for i := range d.events {
		if n := col.number(i); n > 0 {
			*list(&d.events[i], c) = d.lists[c][n-1]
		}
	}
}
