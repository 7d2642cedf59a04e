package guard

import "math/big"

// rocaPrimes are small odd primes modulo which 65537 generates a proper subgroup.
var rocaPrimes = []int64{
	11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
}

// roca reports whether an RSA modulus was made by the broken generator of
// CVE-2017-15361. Its primes are k·M + 65537^a mod M with M a product of small primes,
// so modulo each of them the modulus is a power of 65537. About one sound key in 2^27
// also matches.
func vulnerableToROCA(n *big.Int) bool {
	for _, p := range rocaPrimes {
		residue := new(big.Int).Mod(n, big.NewInt(p)).Int64()
		power, found := int64(1), false
		for range p {
			if power == residue {
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
