/** What was measured of the quality of model files on this machine, by the digest of each file. */
import { join } from 'node:path';
import * as z from 'zod';
import { Digest } from '../core/digest.ts';
import { checkDocument, parseJson } from '../core/parse.ts';
import { type Registry, refuseNewer } from './record-file.ts';

/** A mean over the positions of a text, with its standard error. */
export const Mean = z.strictObject({ mean: z.number(), error: z.number().nonnegative() });
export type Mean = z.infer<typeof Mean>;

export const QualityMeasurement = z.strictObject({
  /** The file that was measured, and the one that it was compared with. */
  digest: Digest,
  reference: Digest,
  /** The quant of that other file; absent in what was recorded before it was kept. */
  referenceQuant: z.string().optional(),
  /** SHA-256 of the text. */
  text: Digest,
  /** What the text is called, or its path; absent in what was recorded before it was kept. */
  textName: z.string().optional(),
  positions: z.int().positive(),
  /** KL divergence from the reference over the whole vocabulary, in nats. */
  divergence: Mean,
  /** Share of positions, 0 to 1, at which both find the same token likeliest. */
  agreement: Mean,
  engine: z.string(),
  at: z.iso.datetime(),
});
export type QualityMeasurement = z.infer<typeof QualityMeasurement>;

const MeasurementFile = z.strictObject({ schemaVersion: z.literal(1), measurements: z.array(QualityMeasurement) });

/** All that was measured; empty before the first time. Throws `bad-record` for a broken file. */
export async function readMeasurements(registry: Registry): Promise<readonly QualityMeasurement[]> {
  const path = pathIn(registry);
  const text = await registry.disk.readText(path);
  if (text === undefined) return [];
  const document = {
    name: path,
    code: 'bad-record',
    suggestions: [`Remove the file, then measure again: ${path}`],
  } as const;
  const value = parseJson(text, document);
  refuseNewer(value, path);
  return checkDocument(MeasurementFile, value, document).measurements;
}

/** Adds measurements; one of the same files on the same text is replaced. Reads, changes and writes: call it under the lock. */
export async function keepMeasurements(registry: Registry, added: readonly QualityMeasurement[]): Promise<void> {
  const isReplaced = (old: QualityMeasurement) =>
    added.some(
      ({ digest, reference, text }) => digest === old.digest && reference === old.reference && text === old.text,
    );
  const measurements = [...(await readMeasurements(registry)).filter((each) => !isReplaced(each)), ...added];
  const file = MeasurementFile.parse({ schemaVersion: 1, measurements });
  await registry.disk.replaceText(pathIn(registry), `${JSON.stringify(file, null, 2)}\n`);
}

function pathIn(registry: Registry): string {
  return join(registry.dataDir, 'quality.json');
}
