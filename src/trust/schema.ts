/**
 * The parts of a Sigstore bundle v0.3 and of the statement in it that OpenSSF model signing with a key uses. Read as the
 * reference does (model-signing 1.1.1): fields that say more are let through, what decides is checked.
 */
import * as z from 'zod';

export const BUNDLE_MEDIA_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
export const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
export const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
export const PREDICATE_TYPE = 'https://model_signing/signature/v1.0';

/** A model has some dozens of files; a longer list is an attack on our memory. */
const MOST_FILES = 100_000;

const Hex64 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits');
const Base64 = z.base64().min(1);

export const Bundle = z.looseObject({
  mediaType: z.literal(BUNDLE_MEDIA_TYPE, `must be ${BUNDLE_MEDIA_TYPE}`),
  verificationMaterial: z.looseObject({
    publicKey: z.looseObject(
      /** SHA-256 of the public key's PEM text, in hex. */
      { hint: z.string().max(256).nullish() },
      'is missing: only signatures by a key are supported, not those by a certificate',
    ),
  }),
  dsseEnvelope: z.looseObject({
    payload: Base64,
    payloadType: z.literal(PAYLOAD_TYPE, `must be ${PAYLOAD_TYPE}`),
    signatures: z.array(z.looseObject({ sig: Base64 })).length(1, 'must be exactly one signature'),
  }),
});
export type Bundle = z.infer<typeof Bundle>;

/** A path below the signed folder, with `/`; `.` is the signed file itself. */
export const ResourceName = z
  .string()
  .max(4096)
  .refine(
    (name) => name === '.' || name.split('/').every((part) => part !== '' && part !== '.' && part !== '..'),
    'must be a path in the signed folder',
  )
  .refine((name) => !/[\0\\]/.test(name), 'must not contain a backslash or NUL');

export const Statement = z.looseObject({
  _type: z.literal(STATEMENT_TYPE, `must be ${STATEMENT_TYPE}`),
  subject: z
    .array(z.looseObject({ name: z.string().max(4096), digest: z.looseObject({ sha256: Hex64 }) }))
    .length(1, 'must be exactly one subject'),
  predicateType: z.literal(PREDICATE_TYPE, `must be ${PREDICATE_TYPE}`),
  predicate: z.looseObject({
    serialization: z.looseObject({
      method: z.literal('files', 'must be files: parts of files (shards) are not supported'),
      hash_type: z.literal('sha256', 'must be sha256'),
      ignore_paths: z.array(z.string().max(4096)).max(10_000).optional(),
    }),
    resources: z
      .array(
        z.looseObject({
          name: ResourceName,
          algorithm: z.literal('sha256', 'must be sha256'),
          digest: Hex64,
        }),
      )
      .min(1, 'must name a file')
      .max(MOST_FILES),
  }),
});
export type Statement = z.infer<typeof Statement>;
