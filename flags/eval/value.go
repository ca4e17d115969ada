package eval

import (
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// Values are what encoding/json gives: nil, bool, float64, string, []any and
// map[string]any. Coercions between them are JavaScript's, because JsonLogic's are.

// normal turns what a Go program may put into a context into such a value.
func normal(v any) any {
	switch t := v.(type) {
	case nil, bool, float64, string, []any, map[string]any:
		return v
	case Context:
		return map[string]any(t)
	case int:
		return float64(t)
	case int64:
		return float64(t)
	case json.Number:
		f, err := t.Float64()
		if err != nil {
			return nil
		}
		return f
	case time.Time:
		return t.Format(time.RFC3339Nano)
	}
	return normalKind(v)
}

func normalKind(v any) any {
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int, reflect.Int64:
		return float64(r.Int())
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint, reflect.Uint64:
		return float64(r.Uint())
	case reflect.Float32, reflect.Float64:
		return r.Float()
	case reflect.String:
		return r.String()
	case reflect.Bool:
		return r.Bool()
	}
	// Anything else is what its JSON says; what has none is not there.
	data, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	var out any
	if json.Unmarshal(data, &out) != nil {
		return nil
	}
	return out
}

// truthy is JsonLogic's truth: empty lists and empty objects are false.
func truthy(v any) bool {
	switch t := v.(type) {
	case bool:
		return t
	case float64:
		return t != 0 && !math.IsNaN(t)
	case string:
		return t != ""
	case []any:
		return len(t) > 0
	case map[string]any:
		return len(t) > 0
	}
	return false
}

// number is JavaScript's Number(v); NaN when v is none. Lists and objects are never
// numbers here.
func number(v any) float64 {
	switch t := v.(type) {
	case nil:
		return 0
	case float64:
		return t
	case bool:
		if t {
			return 1
		}
		return 0
	case string:
		return parseNumber(t)
	}
	return math.NaN()
}

// parseNumber reads a string as JavaScript's Number does.
func parseNumber(s string) float64 {
	s = strings.TrimFunc(s, isBlank)
	if s == "" {
		return 0
	}
	if len(s) > 2 && s[0] == '0' {
		if base := map[byte]int{'x': 16, 'X': 16, 'o': 8, 'O': 8, 'b': 2, 'B': 2}[s[1]]; base > 0 {
			return parseBase(s[2:], base)
		}
	}
	switch s {
	case "Infinity", "+Infinity":
		return math.Inf(1)
	case "-Infinity":
		return math.Inf(-1)
	}
	// What ParseFloat reads beyond decimals, such as "inf", "nan", "0x1p-2" and "1_0".
	if strings.ContainsAny(s, "xXpPnNiI_") {
		return math.NaN()
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return math.NaN()
	}
	return f
}

func parseBase(digits string, base int) float64 {
	sum := 0.0
	for i := range len(digits) {
		d, err := strconv.ParseUint(digits[i:i+1], base, 8)
		if err != nil {
			return math.NaN()
		}
		sum = sum*float64(base) + float64(d)
	}
	return sum
}

func isBlank(r rune) bool {
	switch r {
	case ' ', '\t', '\n', '\v', '\f', '\r', 0xa0, 0xfeff, 0x2028, 0x2029, 0x1680, 0x202f, 0x205f, 0x3000:
		return true
	}
	return r >= 0x2000 && r <= 0x200a
}

// appendText appends what JavaScript's String(v) is, and nothing for null.
func appendText(b []byte, v any) []byte {
	switch t := v.(type) {
	case nil:
		return b
	case string:
		return append(b, t...)
	case bool:
		return strconv.AppendBool(b, t)
	case float64:
		return appendNumber(b, t)
	case []any:
		for i, e := range t {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendText(b, e)
		}
		return b
	}
	return append(b, "[object Object]"...)
}

// appendNumber appends f as JavaScript writes numbers.
func appendNumber(b []byte, f float64) []byte {
	switch abs := math.Abs(f); {
	case math.IsNaN(f):
		return append(b, "NaN"...)
	case math.IsInf(f, 0):
		if f < 0 {
			b = append(b, '-')
		}
		return append(b, "Infinity"...)
	case f == 0:
		return append(b, '0')
	case abs < 1e-6 || abs >= 1e21:
		return appendExponent(b, f)
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64)
}

// appendExponent writes 1e+21 and 1.5e-7: an exponent without leading zeros.
func appendExponent(b []byte, f float64) []byte {
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	b = append(b, mantissa...)
	b = append(b, 'e', exponent[0])
	return append(b, strings.TrimLeft(exponent[1:], "0")...)
}

// descend returns the member of v that name stands for; nil when there is none.
func descend(v any, name string) any {
	switch t := normal(v).(type) {
	case map[string]any:
		return normal(t[name])
	case []any:
		if name == "length" {
			return float64(len(t))
		}
		if i, ok := index(name); ok && i < len(t) {
			return normal(t[i])
		}
	case string:
		return descendText(t, name)
	}
	return nil
}

func descendText(s, name string) any {
	if name != "length" && (name == "" || name[0] < '0' || name[0] > '9') {
		return nil
	}
	units := utf16.Encode([]rune(s))
	if name == "length" {
		return float64(len(units))
	}
	if i, ok := index(name); ok && i < len(units) {
		return string(utf16.Decode(units[i : i+1]))
	}
	return nil
}

// index reads a list index as JavaScript's property names are: no sign, no leading zero.
func index(name string) (int, bool) {
	if name == "" || len(name) > 9 || len(name) > 1 && name[0] == '0' {
		return 0, false
	}
	i, err := strconv.ParseUint(name, 10, 31)
	return int(i), err == nil
}

// splitPath divides "a.b\.c" into a and b.c.
func splitPath(s string) []string {
	if !strings.Contains(s, `\`) {
		if s == "." {
			return []string{""}
		}
		return strings.Split(s, ".")
	}
	var parts []string
	var cur strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && strings.IndexByte(`./\`, s[i+1]) >= 0:
			i++
			cur.WriteByte(s[i])
		case s[i] == '.':
			parts = append(parts, cur.String())
			cur.Reset()
		default:
			cur.WriteByte(s[i])
		}
	}
	return append(parts, cur.String())
}
