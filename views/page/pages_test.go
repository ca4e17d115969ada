package page_test

import (
	"context"
	"io"

	"github.com/a-h/templ"

	"tidemark/views/page"
)

type (
	ctxT    = context.Context
	writerT = io.Writer
)

// pages is every page in every state that matters, by name.
func pages() map[string]templ.Component {
	return map[string]templ.Component{
		"overview": whole(frame("Overview", "/", "overview"), page.ShowOverview(overview())),
	}
}
