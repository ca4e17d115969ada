package page_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"

	"tidemark/views/layout"
)

// -render writes every fixture as a file, to be looked at in a browser.
var renderTo = flag.String("render", "", "folder to write the rendered fixtures to")

// whole is a page as a browser gets it.
func whole(f layout.Frame, content templ.Component) templ.Component {
	return templ.ComponentFunc(func(ctx ctxT, w writerT) error {
		return layout.Document(f).Render(templ.WithChildren(ctx, content), w)
	})
}

// bare is a page without the frame.
func bare(content templ.Component) templ.Component {
	return templ.ComponentFunc(func(ctx ctxT, w writerT) error {
		return layout.Bare(frame("Sign in", "", "")).Render(templ.WithChildren(ctx, content), w)
	})
}

func render(t testing.TB, c templ.Component) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := c.Render(t.Context(), &buf); err != nil {
		t.Fatalf("render: %v", err)
	}
	return buf.Bytes()
}

func document(t testing.TB, c templ.Component) *goquery.Document {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(bytes.NewReader(render(t, c)))
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return doc
}

func TestRenderToFiles(t *testing.T) {
	t.Parallel()
	if *renderTo == "" {
		t.Skip("no -render folder was given")
	}
	for name, c := range pages() {
		if err := os.WriteFile(filepath.Join(*renderTo, name+".html"), render(t, c), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
