package ui

import (
	"encoding/json"
	"strconv"
	"time"

	"tidemark/flags/eval"
	"tidemark/views/page"
	"tidemark/views/part"

	"github.com/labstack/echo/v4"
)

// playContext reads the context that is tried; nil when none was sent.
func playContext(c echo.Context) (text string, ctx eval.Context, problem string) {
	text = c.QueryParam("context")
	switch {
	case text == "":
		return `{"targetingKey": "user-1"}`, nil, ""
	case len(text) > maxPlay:
		return "", nil, "The context may be " + strconv.Itoa(maxPlay) + " bytes long at most."
	case json.Unmarshal([]byte(text), &ctx) != nil || ctx == nil:
		return text, nil, "Want a JSON object, such as {\"targetingKey\": \"user-1\"}."
	}
	return text, ctx, ""
}

// maxPlay bounds a context in an address, in bytes.
const maxPlay = 4096

// fillPlay answers a context with the steps that led there.
func (u *UI) fillPlay(c echo.Context, k *kindPages, m *page.Definition, key string, ask func(eval.Context, time.Time) (*eval.Explanation, error)) error {
	text, ctx, problem := playContext(c)
	m.Play = page.Play{Action: k.of(key), Field: page.Field{
		Name: "context", Label: "Context", Kind: "area", Value: text, Broad: true, Max: maxPlay, Error: problem,
		Hint: "What code would send: the targeting key, and whatever the rules look at.",
	}}
	if ctx == nil {
		return nil
	}
	x, err := ask(ctx, u.o.Now())
	if err != nil || x == nil {
		return err
	}
	for _, s := range x.Steps {
		step := page.PlayStep{Words: s.Words, Path: s.Path, Rule: s.Rule, Found: s.Found}
		if len(s.Ranges) > 0 {
			step.Ranges = part.Table{Caption: "Buckets", Tight: true, Columns: []part.Column{{Head: "Variant"}, {Head: "From", Num: true}, {Head: "Below", Num: true}, {Head: "Arm"}}}
			for _, r := range s.Ranges {
				step.Ranges.Rows = append(step.Ranges.Rows, part.Row{Current: r.Hit, Cells: []part.Cell{
					part.Text(r.Variant), cell(number(int64(r.From))), cell(number(int64(r.To))), part.Text(orElse(string(r.Arm), "none")),
				}})
			}
		}
		m.Play.Steps = append(m.Play.Steps, step)
	}
	return nil
}
