package guarantee

import (
	"bytes"

	"tidemark/flags"
)

// Export writes current documents into one file: as they are, so that Parse reads
// them back, or the guarantees among them as OpenSLO. What is no longer promised
// (deprecated) has no SLO.
func Export(docs []Stored, openSLO bool) []byte {
	var parts [][]byte
	for i := range docs {
		d := docs[i].Document
		switch {
		case !openSLO:
			parts = append(parts, Encode(d))
		case d.Guarantee != nil && d.Status() == flags.StatusActive:
			parts = append(parts, OpenSLO(d.Guarantee))
		}
	}
	return bytes.Join(parts, []byte("---\n"))
}
