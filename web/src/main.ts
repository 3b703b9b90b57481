import "./style.css";
import { Page } from "./page";

const page = new Page();
// what tests look at: the work, the roll and the sound
Object.assign(window, { studio: page });
void page.start(document.getElementById("studio")!);
