package auth

import (
	"math"
	"strconv"
)

// Color is an sRGB colour: red, green, blue.
type Color [3]uint8

// ParseColor reads #rrggbb, the only form that a tenant may write. Stylesheets are written from
// the three numbers, never from the text.
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

// String returns the colour as #rrggbb.
func (c Color) String() string {
	const hex = "0123456789abcdef"
	b := []byte{'#', 0, 0, 0, 0, 0, 0}
	for i, v := range c {
		b[1+2*i], b[2+2*i] = hex[v>>4], hex[v&15]
	}
	return string(b)
}

// luminance returns the relative luminance of WCAG 2.2.
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

// Contrast returns the contrast ratio of WCAG 2.2, between 1 and 21.
func Contrast(a, b Color) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// Mix returns a with the given percentage of b.
func (a Color) Mix(b Color, percent int) Color {
	var c Color
	for i := range c {
		c[i] = uint8((int(a[i])*(100-percent) + int(b[i])*percent + 50) / 100)
	}
	return c
}

// Toward mixes a with the least amount of b that gives the contrast on every background; b itself
// when no mix does.
func (a Color) Toward(b Color, contrast float64, backgrounds ...Color) Color {
	for percent := 0; percent < 100; percent += 4 {
		c := a.Mix(b, percent)
		if hasContrast(c, contrast, backgrounds) {
			return c
		}
	}
	return b
}

func hasContrast(c Color, contrast float64, backgrounds []Color) bool {
	for _, g := range backgrounds {
		if Contrast(c, g) < contrast {
			return false
		}
	}
	return true
}
