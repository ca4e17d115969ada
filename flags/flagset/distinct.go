package flagset

import (
	"math"
	"math/bits"
	"sync/atomic"
)

// The size of a sketch: 2^distinctBits registers of one byte. The standard error of an
// estimate is 1.04/√2048 = 2.3 %, and far less for a few hundred.
const (
	distinctBits  = 11
	distinctSize  = 1 << distinctBits
	distinctError = 0.023
)

// distinct counts different hashes: a HyperLogLog (Flajolet et al., 2007), four
// registers a word so that they can be raised without a lock.
type distinct struct {
	words [distinctSize / 4]atomic.Uint32
	grown atomic.Bool // since the last flush
}

// add takes in a hash whose bits are all random.
func (d *distinct) add(hash uint64) {
	i := hash >> (64 - distinctBits)
	rank := uint32(bits.LeadingZeros64(hash<<distinctBits|1<<(distinctBits-1)) + 1)
	word, shift := &d.words[i/4], (i%4)*8
	for {
		old := word.Load()
		if (old>>shift)&0xff >= rank {
			return
		}
		if word.CompareAndSwap(old, old&^(0xff<<shift)|rank<<shift) {
			d.grown.Store(true)
			return
		}
	}
}

// registers is what is stored.
func (d *distinct) registers() []byte {
	out := make([]byte, 0, distinctSize)
	for i := range d.words {
		w := d.words[i].Load()
		out = append(out, byte(w), byte(w>>8), byte(w>>16), byte(w>>24))
	}
	return out
}

// mergeRegisters raises those of into to those of from.
func mergeRegisters(into, from []byte) {
	for i := range min(len(into), len(from)) {
		into[i] = max(into[i], from[i])
	}
}

// distinctCount is how many different hashes made the registers: Ertl's improved raw
// estimator (arXiv:1702.01284, algorithm 6), which needs no correction for small or
// large numbers.
func distinctCount(registers []byte) float64 {
	const most = 64 - distinctBits // the greatest rank is one more
	var count [most + 2]float64
	for _, r := range registers {
		count[min(int(r), most+1)]++
	}
	m := float64(len(registers))
	z := m * tau(1-count[most+1]/m)
	for k := most; k >= 1; k-- {
		z = 0.5 * (z + count[k])
	}
	z += m * sigma(count[0]/m)
	return m * m / (2 * math.Ln2 * z)
}

func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for before := -1.0; z != before; y += y {
		x *= x
		before = z
		z += x * y
	}
	return z
}

func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for before := -1.0; z != before; {
		x = math.Sqrt(x)
		before = z
		y *= 0.5
		z -= (1 - x) * (1 - x) * y
	}
	return z / 3
}
