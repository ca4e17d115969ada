package eval

import "testing"

// TestKindsTellAnswersApart: one number for one flag, variant and reason, and none for
// what the set does not number.
func TestKindsTellAnswersApart(t *testing.T) {
	t.Parallel()
	s := everyAnswer(t)
	type kind struct{ key, variant, reason string }
	numbers, kinds := map[kind]int{}, map[int]kind{}
	for _, ctx := range contexts(s) {
		for _, key := range s.Keys() {
			r := s.Evaluate(key, ctx, now())
			k, n := kind{r.Key, r.Variant, string(r.Reason)}, r.Kind()
			if n < 1 || n >= s.Kinds() {
				t.Errorf("%v is number %d of %d", k, n, s.Kinds())
			}
			if other, taken := kinds[n]; taken && other != k {
				t.Errorf("%v and %v are both number %d", k, other, n)
			}
			if other, taken := numbers[k]; taken && other != n {
				t.Errorf("%v is number %d and %d", k, n, other)
			}
			numbers[k], kinds[n] = n, k
		}
	}
	if len(kinds) < 10 {
		t.Errorf("only %d kinds were seen", len(kinds))
	}
	if r := s.Evaluate("none", Context{}, now()); r.Kind() > 0 {
		t.Errorf("an unknown flag's answer is number %d", r.Kind())
	}
}
