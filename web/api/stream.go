package api

import (
	"strings"

	"github.com/labstack/echo/v4"

	"tidemark/metrics"
	"tidemark/web/live"
	"tidemark/web/respond"
)

// maxTopics bounds what one stream may listen to.
const maxTopics = 50

// streamEvents sends each event as it is folded, filtered.
func (a *API) streamEvents(c echo.Context) error {
	p := a.readParams(c, "feature", "kind", "service", "replica", "key", "write_id")
	if k := p.text("kind"); k != "" {
		if _, ok := metrics.ParseKind(k); !ok {
			p.fail("kind", "%q is no kind; known: %s.", k, strings.Join(metrics.KindNames(), ", "))
		}
	}
	if p.err != nil {
		return p.err
	}
	want := live.TailEvent{
		Feature: p.text("feature"), Kind: p.text("kind"), Service: p.text("service"),
		Replica: p.text("replica"), Key: p.text("key"), WriteID: p.text("write_id"),
	}
	return a.o.Hub.ServeTail(c, want)
}

// streamLive tells pages which of their topics changed.
func (a *API) streamLive(c echo.Context) error {
	p := a.readParams(c, "topic")
	topics := p.q["topic"]
	switch {
	case p.err != nil:
		return p.err
	case len(topics) == 0 || len(topics) > maxTopics:
		return respond.Bad("topic", "Give 1 to %d topics: overview, pipeline, feature:NAME or write:ID.", maxTopics)
	}
	for _, t := range topics {
		_, name, named := strings.Cut(t, ":")
		known := t == live.TopicOverview || t == live.TopicPipeline ||
			(named && name != "" && (t == live.FeatureTopic(name) || t == live.WriteTopic(name)))
		if !known {
			return respond.Bad("topic", "%q is no topic: want overview, pipeline, feature:NAME or write:ID.", t)
		}
	}
	return a.o.Hub.Serve(c, topics...)
}
