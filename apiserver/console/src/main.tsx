import { render } from "preact";
import { App } from "./app";
import { takeLinks } from "./route";
import { startTheme } from "./theme";
import "./style.css";

startTheme();
takeLinks();
const root = document.getElementById("app");
if (root) render(<App />, root);
