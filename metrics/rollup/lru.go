package rollup

import "tidemark/metrics"

// node is a place in the list of resident things, least recently touched first.
// Exactly one of w, s and r is set.
type node struct {
	prev, next *node
	pos        metrics.Position // of the batch that last touched it
	w          *write
	s          *sessionState
	r          *read
}

type lru struct {
	root node
	n    int
}

func newLRU() *lru {
	l := &lru{}
	l.root.prev, l.root.next = &l.root, &l.root
	return l
}

func (l *lru) push(n *node) {
	at := l.root.prev
	n.prev, n.next = at, &l.root
	at.next, l.root.prev = n, n
	l.n++
}

func (l *lru) remove(n *node) {
	if n.prev == nil {
		return
	}
	n.prev.next, n.next.prev = n.next, n.prev
	n.prev, n.next = nil, nil
	l.n--
}

func (l *lru) touch(n *node, pos metrics.Position) {
	n.pos = pos
	if n.next == &l.root {
		return
	}
	if n.prev != nil {
		l.remove(n)
	}
	l.push(n)
}

func (l *lru) oldest() *node {
	if l.root.next == &l.root {
		return nil
	}
	return l.root.next
}
