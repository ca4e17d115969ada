package eval

import (
	"math"

	"github.com/twmb/murmur3"
)

// bucketOf is flagd's bucketing v2: the place of text among weights that sum to total.
func bucketOf(text []byte, total uint64) uint64 {
	return uint64(murmur3.Sum32(text)) * total >> 32
}

// share is one entry of a fractional operation.
type share struct {
	variant any // string, float64, bool or nil
	weight  uint64
}

// pick returns the entry in which the bucket lies; ok is false when there is none.
func pick(shares []share, bucket uint64) (s share, ok bool) {
	sum := uint64(0)
	for _, s := range shares {
		sum += s.weight
		if sum > bucket {
			return s, true
		}
	}
	return share{}, false
}

func totalWeight(shares []share) uint64 {
	sum := uint64(0)
	for _, s := range shares {
		sum += s.weight
	}
	return sum
}

// fractional is a fractional operation whose entries are all literal, as they mostly
// are: by, when there is one, says what to hash.
type fractional struct {
	origin
	by     node // nil: flag key and targeting key
	shares []share
	total  uint64
	args   []node // as written, for when by is an entry after all
}

func (f *fractional) eval(e *env, at *scope) (any, error) {
	v, err := f.choose(e, at)
	if e.trace != nil {
		e.trace.note(&f.origin, v, err)
	}
	return v, err
}

func (f *fractional) choose(e *env, at *scope) (any, error) {
	text, ok := e.unitText()
	if f.by != nil {
		if c, isCat := f.by.(*cat); isCat && c.plain && e.trace == nil {
			var err error
			if text, err = c.append(e, at, e.buf[:0]); err != nil {
				return nil, err
			}
			ok = true
		} else {
			v, err := f.by.eval(e, at)
			if err != nil {
				return nil, err
			}
			s, isText := v.(string)
			if !isText {
				return fractionalOf(e, at, f.args)
			}
			text, ok = append(e.buf[:0], s...), true
		}
	}
	if !ok {
		e.trace.say("There is no targeting key, so nothing is picked.")
		return nil, nil
	}
	return e.draw(text, f.shares, f.total), nil
}

// unitText is what is hashed when a fractional operation does not say: the flag key
// and the targeting key without anything between them.
func (e *env) unitText() (text []byte, ok bool) {
	switch t := e.attribute(TargetingKey, unitSlot).(type) {
	case string:
		return append(append(e.buf[:0], e.key...), t...), t != ""
	default:
		return appendText(append(e.buf[:0], e.key...), t), truthy(t)
	}
}

func (e *env) draw(text []byte, shares []share, total uint64) any {
	bucket := bucketOf(text, total)
	s, ok := pick(shares, bucket)
	e.trace.drawn(text, shares, total, bucket)
	if !ok {
		return nil
	}
	return s.variant
}

// fractionalOf is the general form: every part may be a rule.
func fractionalOf(e *env, at *scope, nodes []node) (any, error) {
	args := make([]any, len(nodes))
	for i, n := range nodes {
		v, err := n.eval(e, at)
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	if len(args) == 0 {
		return nil, nil
	}
	text, ok := e.unitText()
	if s, isText := args[0].(string); isText {
		text, ok, args = append(e.buf[:0], s...), true, args[1:]
	}
	if !ok {
		e.trace.say("There is no targeting key, so nothing is picked.")
		return nil, nil
	}
	shares, ok := sharesOf(args)
	total := totalWeight(shares)
	if !ok || total > MaxWeight {
		e.trace.say("The entries are not [variant, whole number] with a sum of at most 2,147,483,647, so nothing is picked.")
		return nil, nil
	}
	return e.draw(text, shares, total), nil
}

func sharesOf(args []any) ([]share, bool) {
	out := make([]share, len(args))
	for i, a := range args {
		entry, isList := a.([]any)
		if !isList || len(entry) == 0 || len(entry) > 2 {
			return nil, false
		}
		switch entry[0].(type) {
		case nil, string, float64, bool:
		default:
			return nil, false
		}
		out[i] = share{entry[0], 1}
		if len(entry) == 2 {
			w, isNumber := entry[1].(float64)
			if !isNumber || w != math.Trunc(w) || math.IsInf(w, 0) {
				return nil, false
			}
			// Weights are computed for gradual roll-outs, and then begin below zero.
			out[i].weight = uint64(min(max(0, w), 1<<40))
		}
	}
	return out, true
}
