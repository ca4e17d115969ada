package eval

import "testing"

func TestYAMLBecomesTheJSONThatItSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{"a: 1.0\nb: [x, 'y', true, null, ~]\n", `{"a":1.0,"b":["x","y",true,null,null]}`},
		{"a: 0x10\nb: 9007199254740993\nc: 1e3\n", `{"a":16,"b":9007199254740993,"c":1e3}`},
		{"a:\n  b: |\n    two\n    lines\n  c:\n", `{"a":{"b":"two\nlines\n","c":null}}`},
		{`{"a": "\u00e9 \" \\ <"}`, `{"a": "\u00e9 \" \\ <"}`},
		{"1: one\ntrue: yes\n", `{"1":"one","true":"yes"}`},
	} {
		got, err := YAMLToJSON([]byte(c.in))
		if err != nil || string(got) != c.want {
			t.Errorf("%q: got %s, %v; want %s", c.in, got, err, c.want)
		}
	}
	for _, in := range []string{"a: 1\na: 2\n", "a: .inf\n", "a: &x 1\nb: *x\n", "a: [", "? [a]\n: 1\n", "a: 1\n---\nb: 2\n"} {
		if got, err := YAMLToJSON([]byte(in)); err == nil {
			t.Errorf("%q: got %s, want an error", in, got)
		}
	}
}
