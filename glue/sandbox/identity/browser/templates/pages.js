"use strict";
document.getElementById("login-select-toggle").addEventListener("change", (event) => { location.href = event.target.value; });
