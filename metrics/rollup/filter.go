package rollup

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// filter is a blocked Bloom filter (Putze, Sanders, Singler 2007): one 64-byte
// block an entity, eight bits set in it, sixteen bits of space an entity. False
// positives are about 0.2 %.
type filter struct {
	blocks [][8]uint64
	n      int
}

const filterBitsPerEntity = 16

func newFilter(capacity int) *filter {
	n := max(1, capacity*filterBitsPerEntity/512)
	return &filter{blocks: make([][8]uint64, n)}
}

func (f *filter) block(h uint64) *[8]uint64 {
	hi, _ := bits.Mul64(h, uint64(len(f.blocks)))
	return &f.blocks[hi]
}

// mix spreads a hash again, so that the bits within a block do not follow from
// the choice of the block.
func mix(h uint64) uint64 {
	h ^= h >> 32
	h *= 0x9e3779b97f4a7c15
	h ^= h >> 29
	return h
}

func (f *filter) add(h uint64) {
	b, m := f.block(h), mix(h)
	for i := range b {
		b[i] |= 1 << (m >> (6 * i) & 63)
	}
	f.n++
}

func (f *filter) has(h uint64) bool {
	b, m := f.block(h), mix(h)
	for i := range b {
		if b[i]&(1<<(m>>(6*i)&63)) == 0 {
			return false
		}
	}
	return true
}

func (f *filter) encode() []byte {
	out := make([]byte, 0, 8+len(f.blocks)*64)
	out = binary.LittleEndian.AppendUint64(out, uint64(f.n))
	for i := range f.blocks {
		for _, w := range f.blocks[i] {
			out = binary.LittleEndian.AppendUint64(out, w)
		}
	}
	return out
}

func decodeFilter(b []byte) (*filter, error) {
	if len(b) < 8+64 || (len(b)-8)%64 != 0 {
		return nil, fmt.Errorf("filter of %d bytes is malformed", len(b))
	}
	f := &filter{n: int(binary.LittleEndian.Uint64(b)), blocks: make([][8]uint64, (len(b)-8)/64)}
	b = b[8:]
	for i := range f.blocks {
		for j := range f.blocks[i] {
			f.blocks[i][j] = binary.LittleEndian.Uint64(b)
			b = b[8:]
		}
	}
	return f, nil
}
