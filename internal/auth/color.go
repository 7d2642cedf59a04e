package auth

import (
	"math"
	"strconv"
)

// Color is a colour of a screen: red, green, blue.
type Color [3]uint8

// ParseColor reads #rrggbb, which is all that a tenant may write: what is put into a
// stylesheet is written by us from the three numbers.
func ParseColor(s string) (Color, bool) {
	if len(s) != 7 || s[0] != '#' {
		return Color{}, false
	}
	n, err := strconv.ParseUint(s[1:], 16, 32)
	if err != nil {
		return Color{}, false
	}
	return Color{uint8(n >> 16), uint8(n >> 8), uint8(n)}, true
}

// String is the colour as #rrggbb.
func (c Color) String() string {
	const hex = "0123456789abcdef"
	b := []byte{'#', 0, 0, 0, 0, 0, 0}
	for i, v := range c {
		b[1+2*i], b[2+2*i] = hex[v>>4], hex[v&15]
	}
	return string(b)
}

// luminance is the relative luminance of WCAG 2.2.
func (c Color) luminance() float64 {
	var l float64
	for i, weight := range [3]float64{0.2126, 0.7152, 0.0722} {
		v := float64(c[i]) / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		l += weight * v
	}
	return l
}

// Contrast is the contrast ratio of WCAG 2.2, between 1 and 21.
func Contrast(a, b Color) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// Mix is a with the given percentage of b in it.
func (a Color) Mix(b Color, percent int) Color {
	var c Color
	for i := range c {
		c[i] = uint8((int(a[i])*(100-percent) + int(b[i])*percent + 50) / 100)
	}
	return c
}

// Toward mixes a with as little of b as gives it the contrast on every ground; b
// itself when nothing less does.
func (a Color) Toward(b Color, contrast float64, grounds ...Color) Color {
	for percent := 0; percent < 100; percent += 4 {
		c := a.Mix(b, percent)
		if enough(c, contrast, grounds) {
			return c
		}
	}
	return b
}

func enough(c Color, contrast float64, grounds []Color) bool {
	for _, g := range grounds {
		if Contrast(c, g) < contrast {
			return false
		}
	}
	return true
}
