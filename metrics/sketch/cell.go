// Package sketch counts samples in logarithmic buckets, so that any quantile is
// known within 1 % of its value, two cells merge by addition, and a sample that
// was counted can be taken back.
//
// The bucket rule is DDSketch's (Masson, Rim, Lee, VLDB 2019): γ = (1+α)/(1−α),
// bucket i holds γ^(i−1) < v ≤ γ^i. Counts are signed, because a later event may
// correct an earlier sample; libraries that reject negative counts cannot do that.
package sketch

import (
	"encoding/binary"
	"errors"
	"math"
)

// Alpha is the relative accuracy of every quantile.
const Alpha = 0.01

var (
	gamma      = (1 + Alpha) / (1 - Alpha)
	invLnGamma = 1 / math.Log(gamma)
)

// ErrEncoding is returned by Decode for bytes that Append did not write.
var ErrEncoding = errors.New("sketch: malformed cell")

// Cell is what one series adds up to in one window. The zero value is empty.
// A Cell may also be a difference: then its counts may be negative.
type Cell struct {
	N    int64 // what was expected or tried: the denominator
	Hits int64 // how many of N came true: the numerator
	Neg  int64 // measured values below 0, kept apart (they are clocks, not lags)
	Zero int64 // measured values of exactly 0
	Sum  int64 // sum of all measured values, ns (or the metric's own unit)

	lo     int32   // bucket index of counts[0]
	counts []int32 // counts of buckets lo, lo+1, …
}

// Bucket returns the index of the bucket that holds v > 0.
func Bucket(v int64) int32 {
	return int32(math.Ceil(math.Log(float64(v)) * invLnGamma))
}

// Value returns the value that stands for a bucket: within Alpha of all it holds.
func Value(bucket int32) float64 {
	return 2 * math.Pow(gamma, float64(bucket)) / (1 + gamma)
}

// Upper returns the largest value of a bucket.
func Upper(bucket int32) float64 { return math.Pow(gamma, float64(bucket)) }

// Observe counts a measured value sign times (+1 to add, −1 to take back).
func (c *Cell) Observe(v, sign int64) {
	c.Sum += v * sign
	switch {
	case v < 0:
		c.Neg += sign
	case v == 0:
		c.Zero += sign
	default:
		c.add(Bucket(v), int32(sign))
	}
}

func (c *Cell) add(i, n int32) {
	switch {
	case len(c.counts) == 0:
		c.lo = i
		c.counts = append(c.counts, n)
		return
	case i < c.lo:
		grown := make([]int32, int(c.lo-i)+len(c.counts), int(c.lo-i)+len(c.counts)+8)
		copy(grown[c.lo-i:], c.counts)
		c.lo, c.counts = i, grown
	case int(i-c.lo) >= len(c.counts):
		for int(i-c.lo) >= len(c.counts) {
			c.counts = append(c.counts, 0)
		}
	}
	c.counts[i-c.lo] += n
}

// Merge adds o to c.
func (c *Cell) Merge(o *Cell) { c.merge(o, 1) }

// Subtract takes o away from c.
func (c *Cell) Subtract(o *Cell) { c.merge(o, -1) }

func (c *Cell) merge(o *Cell, sign int64) {
	c.N += sign * o.N
	c.Hits += sign * o.Hits
	c.Neg += sign * o.Neg
	c.Zero += sign * o.Zero
	c.Sum += sign * o.Sum
	for i, n := range o.counts {
		if n != 0 {
			c.add(o.lo+int32(i), n*int32(sign))
		}
	}
}

// Measured is how many values were measured: negative, zero and positive.
func (c *Cell) Measured() int64 {
	n := c.Neg + c.Zero
	for _, k := range c.counts {
		n += int64(k)
	}
	return n
}

// IsZero reports whether nothing is counted.
func (c *Cell) IsZero() bool {
	if c.N != 0 || c.Hits != 0 || c.Neg != 0 || c.Zero != 0 || c.Sum != 0 {
		return false
	}
	for _, k := range c.counts {
		if k != 0 {
			return false
		}
	}
	return true
}

// Reset empties the cell and keeps its memory.
func (c *Cell) Reset() { *c = Cell{counts: c.counts[:0]} }

// Clone returns an independent copy.
func (c *Cell) Clone() *Cell {
	d := *c
	d.counts = append([]int32(nil), c.counts...)
	return &d
}

// Equal reports whether both count the same.
func (c *Cell) Equal(o *Cell) bool {
	d := c.Clone()
	d.Subtract(o)
	return d.IsZero()
}

// Buckets calls yield with each non-empty positive bucket in ascending order.
func (c *Cell) Buckets(yield func(bucket int32, n int64) bool) {
	for i, n := range c.counts {
		if n != 0 && !yield(c.lo+int32(i), int64(n)) {
			return
		}
	}
}

// Quantile returns the value at q in [0,1] among the values that are not
// negative; ok is false when there is none. The result is within Alpha of the
// sample of that rank (lower nearest rank).
func (c *Cell) Quantile(q float64) (v float64, ok bool) {
	n := c.Zero
	for _, k := range c.counts {
		n += int64(k)
	}
	if n <= 0 {
		return 0, false
	}
	rank := int64(q * float64(n-1))
	seen := c.Zero
	if rank < seen {
		return 0, true
	}
	for i, k := range c.counts {
		seen += int64(k)
		if rank < seen {
			return Value(c.lo + int32(i)), true
		}
	}
	return 0, false
}

// Within returns how many measured values are at most v, counting a bucket when
// the value that stands for it is.
func (c *Cell) Within(v float64) int64 {
	if v < 0 {
		return 0
	}
	n := c.Neg + c.Zero
	for i, k := range c.counts {
		if Value(c.lo+int32(i)) > v {
			break
		}
		n += int64(k)
	}
	return n
}

// Append appends the encoded cell to b: varints, with runs of empty buckets
// folded. Equal cells have equal bytes.
func (c *Cell) Append(b []byte) []byte {
	b = binary.AppendVarint(b, c.N)
	b = binary.AppendVarint(b, c.Hits)
	b = binary.AppendVarint(b, c.Neg)
	b = binary.AppendVarint(b, c.Zero)
	b = binary.AppendVarint(b, c.Sum)
	prev := int32(0)
	for i, n := range c.counts {
		if n != 0 {
			at := c.lo + int32(i)
			b = binary.AppendVarint(b, int64(at-prev))
			b = binary.AppendVarint(b, int64(n))
			prev = at
		}
	}
	return b
}

// maxBucket is beyond every int64: larger indexes are damage, not data.
const maxBucket = 4096

// MergeEncoded adds an encoded cell to c without building it first.
func (c *Cell) MergeEncoded(b []byte) error {
	var head [5]int64
	for i := range head {
		v, k := binary.Varint(b)
		if k <= 0 {
			return ErrEncoding
		}
		head[i], b = v, b[k:]
	}
	at := int64(0)
	for len(b) > 0 {
		d, k := binary.Varint(b)
		if k <= 0 {
			return ErrEncoding
		}
		n, m := binary.Varint(b[k:])
		at += d
		if m <= 0 || at < -maxBucket || at > maxBucket || n < math.MinInt32 || n > math.MaxInt32 {
			return ErrEncoding
		}
		c.add(int32(at), int32(n))
		b = b[k+m:]
	}
	c.N += head[0]
	c.Hits += head[1]
	c.Neg += head[2]
	c.Zero += head[3]
	c.Sum += head[4]
	return nil
}

// Decode returns the cell that Append wrote.
func Decode(b []byte) (*Cell, error) {
	c := &Cell{}
	if err := c.MergeEncoded(b); err != nil {
		return nil, err
	}
	return c, nil
}
