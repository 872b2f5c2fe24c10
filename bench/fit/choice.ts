/** How a quant is chosen from the estimates: a text of the document. */
export const CHOICE = `Without \`--quant\`, the policy decides (\`--policy\`, \`GEMMA_PROVISION_POLICY\`, \`policy\` in \`config.json\`): \`best\` by default, or \`card\`. \`recommend\`, \`install\`,
\`lock\` and \`upgrade\` use the same ranking, and the answer names what the other policy would choose, with the numbers of the estimate.

\`best\`: the first rule that makes a difference between two quants decides (\`src/fit/choice/rank.ts\`).

1. What runs, with its margin and at the requested context, comes first; then what a source of the catalog has, before what one would have to bring as a file.
2. What reaches the wanted speed comes next, judged by the lower half of its range: the middle between the low end and the estimate must be at
   least the wanted speed. A measured speed counts as it is. An unknown speed counts as reached only entirely on the GPU.
   A quant of one star, and on the CPU of two, does not get ahead by its speed alone: what the card names comes before it, if
   that has at least three stars and the high end of its range reaches the wanted speed.
3. Entirely on the GPU comes before partly, and partly before the CPU. For research, which wants no speed, quality comes first.
4. More stars. Among equal stars, the type that loses less: the added perplexity in llama.cpp’s own table (\`src/catalog/quant-types.json\`).
   Differences of less than 0.005 are none there, so F16, BF16 and Q8_0 are equal; for research F16 comes first if it fits entirely on the GPU.
5. Less memory. So F16 never comes before Q8_0, except for research.

Where no quant reaches the wanted speed, the card’s pick is the choice. Where there is no card (Gemma 4, files that are not in the catalog), both
policies are the same; if nothing is fast enough, the choice is the quant of at least three stars that needs least memory, which is the fastest.

\`card\`: what the model card names for the use case, then for the hardware tier, unless it does not run or is certainly too slow; among the named ones,
the best place, the stars, and the card’s own order. The tiers of Gemma 3 are not from a card but this tool’s own; the answer says “The catalog” there.

Wanted speed (\`src/catalog/wanted-speed.json\`, with sources):

| use | tok/s | why |
| --- | --- | --- |
| chatbot | 7 | fast silent readers: 300 words a minute (Brysbaert 2019) |
| prototype, or no use given | 5 | average silent reading: 238 words a minute |
| constrained, edge | 4 | reading aloud: 183 words a minute |
| research | – | quality matters more than speed |

Some choices, for Gemma 3n E4B and Gemma 3 at 4,096 tokens on Ollama 0.30 or later:

| machine | model | best | card | why |
| --- | --- | --- | --- | --- |
| RTX 4060 with 6 GiB | gemma-3n-e4b | Q6_K | Q4_0 | 1.79 GiB of per-layer embeddings stay in RAM; Q8_0 would fit only partly |
| RTX 4060 8 GB | gemma-3n-e4b | Q8_0 | Q5_K_S | 40 instead of 56 tok/s are still eight times the wanted speed |
| RTX 4090 24 GB | gemma-3-27b | Q6_K | Q8_0 | Q8_0 fits partly, at about 1.7 tok/s |
| RTX 4060 8 GB | gemma-3-12b | Q3_K_M | Q5_K_S | Q5_K_S fits partly, at about 4.5 tok/s; the answer also names Q4_0 (partly, 9.2 tok/s) |
| CPU, 32 GB | gemma-3n-e4b | Q4_0 | Q4_0 | nothing reaches 5 tok/s for certain |

Where nothing fits, or only what is poor or slow, the answer names the best model of the catalog that does fit: most parameters among those with
at least three stars and the wanted speed, by the same ranking, for the same server. Everything that is said to change the result
(a smaller context, free memory, other hardware) was found by choosing again with it, so the flag or \`--what-if\` that is named gives that answer.`;
