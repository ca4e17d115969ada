package simulate

// queue is a binary heap ordered by (at, n): n is the order of insertion, so that
// equal times keep a total order and a run can be repeated.
type queue[T any] struct {
	items []item[T]
	n     uint64
}

type item[T any] struct {
	at int64
	n  uint64
	v  T
}

func (q *queue[T]) len() int { return len(q.items) }

// next is the time of the first item; never when there is none.
func (q *queue[T]) next() int64 {
	if len(q.items) == 0 {
		return never
	}
	return q.items[0].at
}

func (q *queue[T]) less(i, j int) bool {
	a, b := &q.items[i], &q.items[j]
	return a.at < b.at || a.at == b.at && a.n < b.n
}

func (q *queue[T]) push(at int64, v T) {
	q.n++
	q.items = append(q.items, item[T]{at, q.n, v})
	for i := len(q.items) - 1; i > 0; {
		up := (i - 1) / 2
		if !q.less(i, up) {
			return
		}
		q.items[i], q.items[up] = q.items[up], q.items[i]
		i = up
	}
}

func (q *queue[T]) pop() (at int64, v T) {
	top, last := q.items[0], len(q.items)-1
	q.items[0] = q.items[last]
	q.items[last] = item[T]{}
	q.items = q.items[:last]
	for i := 0; ; {
		kid := 2*i + 1
		if kid >= last {
			break
		}
		if kid+1 < last && q.less(kid+1, kid) {
			kid++
		}
		if !q.less(kid, i) {
			break
		}
		q.items[i], q.items[kid] = q.items[kid], q.items[i]
		i = kid
	}
	return top.at, top.v
}
