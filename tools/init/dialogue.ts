import { Secret } from "../../config/secret";
import { ask } from "../prompt";
import { asInStackConfig, type Place } from "./answers";
import { type Answers, problemsOf, type Question } from "./questions";

/** Asks on the terminal for what is not known yet, each until it is right. Without a question left, it needs none. */
export async function askFor(
  answers: Answers,
  questions: readonly Question[],
  place: Place,
): Promise<Answers> {
  const whole: Answers = { ...answers };
  for (const question of questions) {
    const { key, text, variable, isFile, matters, otherwise, suggestion } = question;
    if (whole[key] !== undefined || matters?.(whole, place) === false) continue;
    const usual = otherwise ?? suggestion?.(whole);
    const meant = (typed: string): string | Secret => {
      if (variable) return new Secret(typed);
      const answer = typed.trim() || usual || "";
      return isFile && answer ? asInStackConfig(answer, place) : answer;
    };
    const typed = await ask(`${text}${usual ? ` [${usual}]` : ""}: `, {
      hidden: variable !== undefined,
      twice: key === "password",
      problem: (typed) => problemsOf(question, { ...whole, [key]: meant(typed) }, place)[0],
    });
    Object.assign(whole, { [key]: meant(typed) });
  }
  return whole;
}
