/** Why an attestation document was not believed, as one closed union. Inside the room a fault is thrown; `verifyAttestation` answers it. */

export type AttestationFault =
  /** More bytes than any document has. */
  | 'too_large'
  /** Not the CBOR that this room reads. */
  | 'cbor_malformed'
  /** CBOR, and no COSE_Sign1 (RFC 9052 §4.2). */
  | 'cose_malformed'
  /** Headers other than ES384, protected, alone. */
  | 'algorithm_refused'
  | 'member_missing'
  | 'member_unknown'
  /** Of another type or size than the specification gives it. */
  | 'member_malformed'
  /** Not a certificate of version 3 in DER. */
  | 'certificate_malformed'
  /** Signed with anything but ECDSA over SHA-384. */
  | 'certificate_algorithm_refused'
  /** A key that is not on P-384, or not written as RFC 5480 has it. */
  | 'certificate_key_refused'
  /** An extension that is critical and unknown here, or there twice. */
  | 'extension_refused'
  /** The bundle does not begin with the root that was given. */
  | 'root_unknown'
  | 'issuer_mismatch'
  /** After the root, a certificate of its own issuer: a root that is there twice, or a link that makes a path look longer. */
  | 'self_issued'
  | 'not_yet_valid'
  | 'expired'
  /** An issuer without the CA flag. */
  | 'not_an_authority'
  | 'path_too_long'
  /** An issuer that must not sign certificates, or a leaf that must not sign documents. */
  | 'key_usage_refused'
  /** A CA where the leaf should be: whoever holds its key could issue more of them. */
  | 'leaf_is_authority'
  | 'certificate_signature_invalid'
  | 'document_signature_invalid';

export class Unverified extends Error {
  readonly why: AttestationFault;

  constructor(why: AttestationFault, detail: string) {
    super(detail);
    this.name = 'Unverified';
    this.why = why;
  }
}
