/** What stands before the uncompressed point in the SubjectPublicKeyInfo of a key (RFC 5480), as hex: the same for every key of a curve. */

/** Before a point of 65 bytes. */
export const P256_SPKI_HEAD = '3059301306072a8648ce3d020106082a8648ce3d030107034200';
/** Of secp256k1, before a point of 65 bytes: how a wallet's key is written. */
export const SECP256K1_SPKI_HEAD = '3056301006072a8648ce3d020106052b8104000a034200';
/** Before a point of 97 bytes. */
export const P384_SPKI_HEAD = '3076301006072a8648ce3d020106052b81040022036200';
