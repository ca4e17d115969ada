package eval

// Kinds of answers are what usage counts apart: a flag's variant, or that there is none,
// and the reason. A set numbers those that its flags can give, from one, so that who
// counts has them in a table.

// noVariant is the index of the variant of an answer that has none.
const noVariant = -1

// reasons is how many reasons there are.
const reasons = 6

// unnumbered is the first kind of a revision that is not in force: far enough below zero
// that all of its kinds are.
const unnumbered = -1 << 30

// number gives a flag its kinds, from first, and returns the one that follows them.
func (f *flag) number(first int) (next int) {
	f.first = first
	return first + (len(f.variants)+1)*reasons
}

func (f *flag) kind(variant int, reason Reason) int {
	return f.first + (variant+1)*reasons + int(reasonCode(reason)) - 1
}

// Kinds is one more than the greatest kind of answer.
func (s *Set) Kinds() int { return s.kinds }

// Kind is the answer's kind in the Set that gave it: the same for the same flag, variant
// and reason. It is below one when the Set numbers none: for a flag that it does not
// have, and for an older revision that a pin holds its session to.
func (r *Result) Kind() int { return r.kind }
