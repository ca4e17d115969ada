package page

import "tidemark/views/part"

// Audit answers: who did what, provably?
type Audit struct {
	Head       part.Head
	Notices    []part.Notice
	Filters    Filters
	List       Section
	Checkpoint []Pair // the head that was signed last; none before the first
	Note       part.Command
	Files      []part.Link
	Check      part.Link // where the whole log is verified
}

// AuditEntry is one change with its proof.
type AuditEntry struct {
	Head    part.Head
	Notices []part.Notice
	About   []Pair
	Changes Changes
	Proof   []Pair
	Path    Section // from the entry's hash to the root
	Leaf    part.Command
	Files   []part.Link
}
