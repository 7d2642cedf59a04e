package guard

import "math/big"

// rocaPrimes are small odd primes modulo which 65537 does not generate
// everything, so that being in its subgroup says something.
var rocaPrimes = []int64{
	11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
}

// roca recognises RSA moduli made by the broken generator of CVE-2017-15361.
// Its primes are k·M + 65537^a mod M with M a product of small primes, so that
// modulo each of them the modulus is a power of 65537. A sound key passes all
// of these tests by accident about once in 2^27.
func roca(n *big.Int) bool {
	for _, p := range rocaPrimes {
		rest := new(big.Int).Mod(n, big.NewInt(p)).Int64()
		power, found := int64(1), false
		for range p {
			if power == rest {
				found = true
				break
			}
			power = power * 65537 % p
		}
		if !found {
			return false
		}
	}
	return true
}
