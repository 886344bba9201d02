import { readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { root } from "../../config/root";

/** What stands for a part of a message that the code only knows when it runs. */
const hole = "…";

export interface Message {
  text: string;
  /** Where the code has it: a path below the project's root. */
  file: string;
  /** A value of the stack config is refused with it (`Refused`); the report names the option and the value. */
  isRefusal: boolean;
}

/**
 * What the code can throw, as users see it, with {@link hole} for what differs: the texts that reach `new Error` and
 * its like, followed backwards through variables, parameters, properties, what is pushed onto lists and what
 * functions return; and the complaints of the scripts that run on hosts. What is stated with `assert` is no message: it
 * can only be a mistake of this program.
 */
export function messages(): Message[] {
  const sources = new Sources();
  for (const text of sources.handedTo(/(Error|Refusal|NotStarted|Stopped)$/)) sources.follow(text, true);
  for (const file of sources.scripts()) sources.readScript(file);
  const errors = [...sources.found.values()];
  const refusals = [...sources.handedTo(/^Refused$/), ...sources.handedTo(/^refuse$/, 1)];
  for (const text of refusals) sources.follow(text, true);
  return [...sources.found.values()].map((found) => ({ ...found, isRefusal: !errors.includes(found) }));
}

/** Benchmarks are run by who works on this program. */
const notForUsers = /\/(node_modules|bench)\//;

type Caller = ts.CallExpression | ts.NewExpression;

class Sources {
  readonly found = new Map<string, Pick<Message, "text" | "file">>();
  readonly #checker: ts.TypeChecker;
  readonly #files: ts.SourceFile[];
  readonly #seen = new Set<ts.Node>();
  /** Function → its calls. */
  readonly #calls = new Map<ts.Node, Caller[]>();
  /** Variable with a list → what is pushed onto it; property of a type → its values in object literals. */
  readonly #values = new Map<ts.Symbol, ts.Expression[]>();

  constructor() {
    const read = ts.readConfigFile(path.join(root, "tsconfig.json"), ts.sys.readFile);
    const include = [...read.config.include, "start.cjs", "tools/*.cjs"];
    const { fileNames, options } = ts.parseJsonConfigFileContent(
      { ...read.config, include, compilerOptions: { ...read.config.compilerOptions, allowJs: true } },
      ts.sys,
      root,
    );
    const program = ts.createProgram(fileNames, options);
    this.#checker = program.getTypeChecker();
    this.#files = program
      .getSourceFiles()
      .filter(({ fileName, isDeclarationFile }) => !isDeclarationFile && !notForUsers.test(fileName));
    for (const file of this.#files) each(file, (node) => this.#index(node));
  }

  #index(node: ts.Node): void {
    if (isCaller(node)) {
      const declaration = this.#checker.getResolvedSignature(node)?.declaration;
      if (declaration) append(this.#calls, declaration, node);
      const { expression } = node;
      if (ts.isPropertyAccessExpression(expression) && expression.name.text === "push") {
        const list = this.#checker.getSymbolAtLocation(expression.expression);
        for (const value of node.arguments ?? []) if (list) append(this.#values, list, value);
      }
    }
    if (ts.isPropertyAssignment(node)) {
      const type = this.#checker.getContextualType(node.parent);
      const property = type?.getProperty(node.name.getText());
      if (property) append(this.#values, property, node.initializer);
    }
  }

  /** What is handed to constructors or functions, in the given place among their arguments. */
  handedTo(names: RegExp, place = 0): ts.Expression[] {
    const found: ts.Expression[] = [];
    for (const file of this.#files)
      each(file, (node) => {
        if (isCaller(node) && names.test(node.expression.getText()))
          found.push(...(node.arguments?.slice(place, place + 1) ?? []));
      });
    return found;
  }

  /** @param isWhole the text is all of an error, so that it counts however short it is */
  follow(node: ts.Node | undefined, isWhole = false): void {
    if (!node || this.#seen.has(node)) return;
    this.#seen.add(node);
    const text = this.#text(node);
    if (text !== undefined) {
      this.#add(text, node, isWhole);
      for (const part of parts(node)) this.follow(part);
    } else if (ts.isConditionalExpression(node)) {
      this.follow(node.whenTrue, isWhole);
      this.follow(node.whenFalse, isWhole);
    } else if (ts.isBinaryExpression(node)) {
      this.follow(node.left);
      this.follow(node.right);
    } else if (ts.isArrayLiteralExpression(node)) {
      for (const element of node.elements) this.follow(element);
    } else if (ts.isNewExpression(node)) {
      for (const argument of node.arguments ?? []) this.follow(argument);
    } else if (ts.isCallExpression(node)) this.#followCall(node);
    else if (ts.isIdentifier(node)) this.#followName(node);
    else if (ts.isPropertyAccessExpression(node)) this.#followName(node.name);
    else if (ts.isElementAccessExpression(node)) this.#followTable(node.expression);
    else if ("expression" in node) this.follow(node.expression as ts.Node, isWhole); // (x), await x, x!, ...x
  }

  #followCall(call: ts.CallExpression): void {
    if (call.expression.getText() === "printable") {
      this.follow(call.arguments[0]); // says the same
      return;
    }
    const declaration = this.#checker.getResolvedSignature(call)?.declaration;
    if (declaration && this.#isOurs(declaration)) {
      for (const result of results(declaration)) this.follow(result);
      return;
    }
    if (!ts.isPropertyAccessExpression(call.expression) || isCommandLine(call)) return;
    this.follow(call.expression.expression); // a list that is joined, filtered, mapped
    for (const argument of call.arguments)
      if (ts.isArrowFunction(argument)) for (const result of results(argument)) this.follow(result);
  }

  #followName(name: ts.Node): void {
    if (/^(doing|fix)$/.test(name.getText())) return; // what a step was about, and the advice below its error
    const symbol = this.#checker.getSymbolAtLocation(name);
    for (const value of (symbol && this.#values.get(symbol)) ?? []) this.follow(value);
    const declaration = symbol?.valueDeclaration;
    if (!declaration || !this.#isOurs(declaration)) return;
    if (ts.isVariableDeclaration(declaration) || ts.isPropertyAssignment(declaration))
      this.follow(declaration.initializer);
    if (ts.isParameter(declaration)) for (const value of this.#arguments(declaration)) this.follow(value);
    if (!ts.isBindingElement(declaration)) return;
    const pattern = declaration.parent;
    if (ts.isObjectBindingPattern(pattern)) {
      const property = this.#checker.getTypeAtLocation(pattern).getProperty(name.getText());
      for (const value of (property && this.#values.get(property)) ?? []) this.follow(value);
    } else if (ts.isParameter(pattern.parent))
      for (const value of this.#arguments(pattern.parent))
        this.#followElement(value, pattern.elements.indexOf(declaration));
  }

  /** What a function is called with in the place of one of its parameters. */
  #arguments(parameter: ts.ParameterDeclaration): ts.Expression[] {
    const place = parameter.parent.parameters.indexOf(parameter);
    const end = parameter.dotDotDotToken ? undefined : place + 1;
    return (this.#calls.get(parameter.parent) ?? []).flatMap(
      ({ arguments: given }) => given?.slice(place, end) ?? [],
    );
  }

  /** One element of each list that an expression may be. */
  #followElement(list: ts.Expression, place: number): void {
    if (ts.isArrayLiteralExpression(list)) this.follow(list.elements[place]);
    if (ts.isConditionalExpression(list))
      for (const each of [list.whenTrue, list.whenFalse]) this.#followElement(each, place);
    const declaration = ts.isCallExpression(list) && this.#checker.getResolvedSignature(list)?.declaration;
    if (declaration) for (const each of results(declaration)) this.#followElement(each, place);
  }

  /** A constant of texts by key. */
  #followTable(table: ts.Expression): void {
    const declaration = this.#checker.getSymbolAtLocation(table)?.valueDeclaration;
    if (declaration && ts.isVariableDeclaration(declaration) && declaration.initializer)
      each(declaration.initializer, (node) => {
        if (ts.isPropertyAssignment(node)) this.follow(node.initializer);
      });
  }

  #isOurs(node: ts.Node): boolean {
    return this.#files.includes(node.getSourceFile());
  }

  /** Text of a literal, a template or a sum of them. */
  #text(node: ts.Node): string | undefined {
    if (ts.isStringLiteralLike(node)) return node.text;
    if (ts.isTemplateExpression(node))
      return node.head.text + node.templateSpans.map(({ literal }) => hole + literal.text).join("");
    if (!ts.isBinaryExpression(node) || node.operatorToken.kind !== ts.SyntaxKind.PlusToken) return undefined;
    return (this.#text(node.left) ?? hole) + (this.#text(node.right) ?? hole);
  }

  /** What is no sentence is a part of one, such as the name of a thing. */
  #add(text: string, node: ts.Node, isWhole: boolean): void {
    if (words(text) >= (isWhole ? 1 : 3) && !text.startsWith("npm run "))
      this.#found(text, node.getSourceFile().fileName);
  }

  #found(text: string, file: string): void {
    const message = { text: tidy(text), file: path.relative(root, file) };
    if (words(text) > 0 && !this.found.has(message.text)) this.found.set(message.text, message);
  }

  /** Programs in other languages: Lua, and the shell's, which are templates of TypeScript, too. */
  scripts(): string[] {
    return ts.sys.readDirectory(root, [".lua", ".mustache", ".ts"], ["bin", "node_modules", "tests"]);
  }

  readScript(file: string): void {
    const text = readFileSync(file, "utf8");
    if (file.endsWith(".lua")) {
      const complaint =
        /\b(?:error|fail|problem)\(((?:[\w.]+ \.\. )?"[^"\n]* [^"\n]*"(?: \.\. (?:[\w.:]+|"[^"]*"))*)/g;
      for (const [, sum] of text.matchAll(complaint)) {
        const terms = sum!.split(" .. ").map((term) => (term.startsWith('"') ? term.slice(1, -1) : hole));
        this.#found(terms.join("").replace(/%[sd]/g, hole), file);
      }
    } else {
      const complaint =
        /\b(?:(?:refuse|fail) "([^"\n]* [^"\n]*)"|echo "((?:(?!\$\(\()[^"\n])* (?:(?!\$\(\()[^"\n])*)" >&2)/g;
      const variable = /\\?\$(?:\{[^}]*\}|\([^()]*\)|\w+|\*)|\{\{\w+\}\}/g;
      for (const [, refused, said] of text.matchAll(complaint))
        this.#found((refused ?? said!).replace(variable, hole), file);
    }
  }
}

/** Each node below and including one. */
function each(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => each(child, visit));
}

const isCaller = (node: ts.Node): node is Caller => ts.isCallExpression(node) || ts.isNewExpression(node);

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  map.set(key, [...(map.get(key) ?? []), value]);
}

/** What a function returns. */
function results(declaration: ts.Node): ts.Expression[] {
  if (ts.isArrowFunction(declaration) && !ts.isBlock(declaration.body)) return [declaration.body];
  const found: ts.Expression[] = [];
  const look = (node: ts.Node): void => {
    if (ts.isReturnStatement(node) && node.expression) found.push(node.expression);
    if (node === declaration || !ts.isFunctionLike(node)) ts.forEachChild(node, look);
  };
  look(declaration);
  return found;
}

function words(text: string): number {
  return text.match(/(?<![\w$/.-])[A-Za-z][a-z']*(?![\w/=-])/g)?.length ?? 0;
}

/** What a template inserts; its fix says by itself what to do. */
function parts(node: ts.Node): ts.Expression[] {
  const found: ts.Expression[] = [];
  each(node, (part) => {
    if (!ts.isTemplateExpression(part)) return;
    part.templateSpans.forEach(({ expression }, index) => {
      const before = index === 0 ? part.head : part.templateSpans[index - 1]!.literal;
      if (!before.text.endsWith("Fix: ")) found.push(expression);
    });
  });
  return found;
}

/** A list of words that are joined by spaces is no sentence. */
function isCommandLine({ expression, arguments: [separator] }: ts.CallExpression): boolean {
  return (
    ts.isPropertyAccessExpression(expression) &&
    ts.isArrayLiteralExpression(expression.expression) &&
    separator?.getText() === '" "'
  );
}

/** One line, holes that touch as one, and without the ends that only join it to something. */
function tidy(text: string): string {
  return text
    .replace(/\s+/g, " ")
    .replace(/…+/g, hole)
    .replace(/^[;:, ]+|[ :]+$/g, "");
}
