package segment

import "github.com/zeebo/xxh3"

// dict numbers the distinct values of a column in order of first appearance; the
// empty string is always number 0.
type dict struct {
	values []string // values[n−1] is number n
	hashes []uint64
	slots  []uint32 // open addressing; number, 0 = free
}

const minSlots = 64

func (d *dict) reset() {
	if d.slots == nil {
		d.slots = make([]uint32, minSlots)
	}
	if len(d.values) == 0 {
		return
	}
	clear(d.values)
	clear(d.slots)
	d.values, d.hashes = d.values[:0], d.hashes[:0]
}

// number returns the number of s, adding it when it is new.
func (d *dict) number(s string) uint32 {
	if s == "" {
		return 0
	}
	h := xxh3.HashString(s)
	mask := uint64(len(d.slots) - 1)
	i := h & mask
	for d.slots[i] != 0 {
		if n := d.slots[i]; d.hashes[n-1] == h && d.values[n-1] == s {
			return n
		}
		i = (i + 1) & mask
	}
	d.values = append(d.values, s)
	d.hashes = append(d.hashes, h)
	n := uint32(len(d.values))
	d.slots[i] = n
	if 2*len(d.values) > len(d.slots) {
		d.grow()
	}
	return n
}

// numberBytes is number for bytes, which are copied only when they are new.
func (d *dict) numberBytes(b []byte) uint32 {
	h := xxh3.Hash(b)
	mask := uint64(len(d.slots) - 1)
	for i := h & mask; d.slots[i] != 0; i = (i + 1) & mask {
		if n := d.slots[i]; d.hashes[n-1] == h && d.values[n-1] == string(b) {
			return n
		}
	}
	return d.number(string(b))
}

func (d *dict) grow() {
	d.slots = make([]uint32, 4*len(d.slots))
	mask := uint64(len(d.slots) - 1)
	for n, h := range d.hashes {
		i := h & mask
		for d.slots[i] != 0 {
			i = (i + 1) & mask
		}
		d.slots[i] = uint32(n + 1)
	}
}
