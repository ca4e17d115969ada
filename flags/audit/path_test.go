package audit_test

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"tidemark/flags/audit"
)

// TestPathLeft follows every path of logs of every size up to 70 by hand.
func TestPathLeft(t *testing.T) {
	t.Parallel()
	var tree audit.Tree
	for size := int64(1); size <= 70; size++ {
		if _, err := tree.Add(fmt.Appendf(nil, "entry %d", size-1)); err != nil {
			t.Fatal(err)
		}
		head, err := tree.Head(size)
		if err != nil {
			t.Fatal(err)
		}
		for index := range size {
			proof, err := tlog.ProveRecord(size, index, &tree)
			if err != nil {
				t.Fatal(err)
			}
			hash := tlog.RecordHash(fmt.Appendf(nil, "entry %d", index))
			for i, left := range audit.PathLeft(index, size, len(proof)) {
				first, second := hash, proof[i]
				if left {
					first, second = second, first
				}
				hash = sha256.Sum256(append(append([]byte{1}, first[:]...), second[:]...))
			}
			if hash != head.Root {
				t.Errorf("entry %d of %d: the path leads to %s, not to %s", index, size, hash, head.Root)
			}
		}
	}
}
